"""Rows and the input features of the past at each note, compared with a plain loop over the earlier notes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.model import history
from stages.representation.grid_encoding import DURATION, PITCH, STEP
from tests.helpers.made_up_notes import few_keys_fields, random_fields
from tests.helpers.numpy_model import ReferenceNote


@pytest.mark.parametrize("repeated", [False, True])
def test_features_of_the_past_match_a_loop_over_notes(repeated):
    fields = random_fields(4, 120)
    if repeated:  # few keys and long pauses: keys played again while they sound, and long after
        fields[:, PITCH] = np.sort(fields[:, PITCH] % 3 * 40)[::-1]
        fields[::30, STEP] = 900
        fields[10, DURATION] = 3000
    notes = [ReferenceNote(fields, index) for index in range(len(fields))]
    assert history.remaining_frames(fields).tolist() == [note.remaining for note in notes]
    assert history.elapsed_frames(fields).tolist() == [note.elapsed for note in notes]
    assert history.previous_pitches(fields).tolist() == [note.previous_pitches for note in notes]
    expected = np.array([note.keys for note in notes]).transpose(0, 2, 1)
    assert (history.keyboard_state(fields) == expected).all()
    assert (expected[0] == history.UNPLAYED_KEYS).all()


def test_rows_match_loops():
    fields = few_keys_fields(1, 80)
    expected = [ReferenceNote(fields, index).row() for index in range(len(fields))]
    assert (history.note_rows(fields) == expected).all()


@pytest.mark.parametrize(
    "feature", [history.remaining_frames, history.elapsed_frames, history.previous_pitches, history.keyboard_state]
)
def test_no_notes_have_no_features(feature):
    assert len(feature(np.zeros((0, 4), np.int32))) == 0


@given(st.integers(1, 60), st.integers(0, 59))
def test_rows_from_a_later_note_on_are_the_end_of_all_rows(length, first):
    fields = random_fields(length, length)
    first = min(first, length - 1)
    assert (history.note_rows(fields, first) == history.note_rows(fields)[first:]).all()


@given(st.integers(1, 80), st.integers(1, 20), st.booleans())
def test_the_state_of_the_keys_at_some_notes_is_that_among_all(length, distance, few_keys):
    fields = (few_keys_fields if few_keys else random_fields)(length, length)
    notes = np.arange(distance // 2, length, distance)
    assert (history.keyboard_state_at(fields, notes) == history.keyboard_state(fields)[notes]).all()
