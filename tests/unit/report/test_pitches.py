"""Names and ranges of pitches."""

from hypothesis import given
from hypothesis import strategies as st

from stages.report.pitches import note_name, pitch_range


@given(st.lists(st.integers(0, 127), max_size=30))
def test_a_range_holds_every_pitch_in_whole_octaves(pitches):
    low, high = pitch_range(pitches)
    assert low % 12 == high % 12 == 0 and high - low >= 36
    assert all(low <= pitch <= high for pitch in pitches)
    assert not pitches or high - low <= max(36, max(pitches) - min(pitches) + 22)


def test_note_names_are_those_of_the_keyboard():
    names = {0: "C-1", 21: "A0", 60: "C4", 61: "C♯4", 69: "A4", 108: "C8", 127: "G9"}
    assert {pitch: note_name(pitch) for pitch in names} == names
