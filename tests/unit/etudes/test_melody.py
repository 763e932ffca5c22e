"""Figuration between the accented notes of a melody."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from stages.etudes.melody import connect
from tests.helpers.etude_scores import CHORDS

chords = st.sampled_from(CHORDS)


@given(chords, st.integers(30, 45), st.integers(-9, 9), st.integers(0, 15), st.sampled_from(["stepwise", "neighbours"]))
def test_figuration_reaches_the_next_note_stepwise(current, left, leap, count, figuration):
    line = connect(left, left + leap, count, figuration, current)
    assert len(line) == count
    if figuration == "stepwise" and count:
        assert abs(line[-1] - (left + leap)) == 1
        assert all(abs(after - before) == 1 for before, after in pairwise(line))
