"""The input features of the network, compared with plain loops over the whole past of each note."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.model import features, history
from stages.representation.grid_encoding import PITCH, STEP
from tests.helpers.made_up_notes import few_keys_fields, random_fields
from tests.helpers.numpy_model import ReferenceNote


@pytest.mark.parametrize("name", ["keyboard_features", "timing_histogram", "shared_ends_features", "pointer_features"])
def test_features_match_loops(name):
    fields = few_keys_fields(2, 60)
    computed = np.asarray(getattr(features, name)(history.note_rows(fields)))
    expected = np.stack([getattr(ReferenceNote(fields, index), name)() for index in range(len(fields))])
    np.testing.assert_allclose(computed, expected, atol=1e-6)


@pytest.mark.parametrize("semitones", [1, 12, 24])
def test_nearby_key_features_match_loops(semitones):
    fields = few_keys_fields(2, 60)
    pitch = np.random.default_rng(3).integers(0, history.PAD_PITCH + 1, len(fields))
    computed = np.asarray(features.nearby_key_features(history.note_rows(fields), pitch, semitones))
    expected = [
        ReferenceNote(fields, index).nearby_key_features(min(pitch[index], 87), semitones)
        for index in range(len(fields))
    ]
    np.testing.assert_allclose(computed, np.stack(expected), atol=1e-6)
    assert computed.shape[1] == features.nearby_keys_size(semitones)


def test_next_timing_histogram_includes_the_end_of_the_note_itself():
    fields = few_keys_fields(2, 60)
    computed = np.asarray(features.next_timing_histogram(history.note_rows(fields)))
    expected = [ReferenceNote(fields, index).next_timing_histogram() for index in range(len(fields))]
    assert (computed == expected).all()


def test_padding_has_no_features():
    padding = history.padding_rows((1,))
    assert not np.asarray(features.next_timing_histogram(padding)).any()
    assert not np.asarray(features.nearby_key_features(padding, padding[:, PITCH], 12)).any()
    assert np.asarray(features.keyboard_features(padding)).max() < 1e-4


def test_without_a_future_time_features_are_zero():
    computed = np.asarray(features.time_features(np.array([-1, 0, 5000])))
    assert not computed[0].any()
    assert computed[1].sum() == computed[1, 0] == 1
    assert computed[2, :-1].sum() == computed[2, -2] == 1 and computed[2, -1] > 1


def test_note_features_are_in_the_order_in_which_fields_are_predicted():
    rows = history.note_rows(random_fields(3, 30))
    whole = np.asarray(features.note_features(rows))
    assert whole.shape == (30, features.NOTE_SIZE)
    sizes = features.SIZE_BEFORE_PITCH, features.SIZE_BEFORE_DURATION, features.SIZE_BEFORE_VELOCITY
    for field, size_before in enumerate(sizes, start=1):
        unknown = rows.copy()
        unknown[:, field:4] = 1
        changed = np.asarray(features.note_features(unknown))
        assert (changed[:, :size_before] == whole[:, :size_before]).all()
        assert (changed[:, size_before:] != whole[:, size_before:]).any()


@settings(max_examples=20)
@given(st.integers(0, 1000), st.booleans())
def test_next_row_gives_the_rows_of_the_whole_piece(seed, few_keys):
    fields = (few_keys_fields if few_keys else random_fields)(seed, 40)
    rows = np.concatenate([history.padding_rows((1,)), history.note_rows(fields)]).astype(np.int32)
    next_rows = np.array(features.next_row(rows[:-1], rows[1:, STEP]))
    next_rows[:, 1:4] = rows[1:, 1:4]
    assert (next_rows == rows[1:]).all()
    assert history.NUM_RECENT < 40  # so that the oldest notes drop out
