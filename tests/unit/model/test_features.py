"""What the network is shown, against a slow reading of the whole past, note by note."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.model import batching, features, history
from stages.representation.grid_encoding import PITCH, STEP
from tests.helpers.numpy_model import Seen, random_fields


def crowded(seed, notes):
    """Notes on few keys, with pauses, so that keys are struck again at all distances."""
    fields = random_fields(seed, notes)
    random = np.random.default_rng(seed)
    fields[:, PITCH] = random.choice([0, 3, 40, 87], notes)
    fields[random.random(notes) < 0.05, STEP] = 1000
    return fields


def test_rows_are_what_can_be_told_of_the_past():
    fields = crowded(1, 80)
    assert (batching.note_rows(fields) == [Seen(fields, t).row() for t in range(len(fields))]).all()


@pytest.mark.parametrize("name", ["keyboard_features", "nearby_key_features", "timing_histogram"])
def test_features_against_loops(name):
    fields = crowded(2, 60)
    found = np.asarray(getattr(features, name)(batching.note_rows(fields)))
    expected = np.stack([getattr(Seen(fields, t), name)() for t in range(len(fields))])
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_after_a_note_its_own_end_counts_too():
    fields = crowded(2, 60)
    found = np.asarray(features.next_timing_histogram(batching.note_rows(fields)))
    assert (found == [Seen(fields, t).timing_histogram(after=True) for t in range(len(fields))]).all()


def test_before_a_piece_nothing_is_told():
    nothing = batching.padding_rows((1,))
    assert not np.asarray(features.next_timing_histogram(nothing)).any()
    assert not np.asarray(features.nearby_key_features(nothing)).any()
    assert np.asarray(features.keyboard_features(nothing)).max() < 1e-4


def test_a_note_is_written_in_the_order_in_which_its_fields_are_drawn():
    rows = batching.note_rows(random_fields(3, 30))
    whole = np.asarray(features.note_features(rows))
    assert whole.shape == (30, features.NOTE_SIZE)
    for field, known in (
        (1, features.SIZE_BEFORE_PITCH),
        (2, features.SIZE_BEFORE_DURATION),
        (3, features.SIZE_BEFORE_VELOCITY),
    ):
        unknown = rows.copy()
        unknown[:, field:4] = 1
        assert (np.asarray(features.note_features(unknown))[:, :known] == whole[:, :known]).all()
        assert (np.asarray(features.note_features(unknown))[:, known:] != whole[:, known:]).any()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.booleans())
def test_the_next_row_is_that_of_the_whole_piece(seed, few_keys):
    fields = (crowded if few_keys else random_fields)(seed, 40)
    rows = np.concatenate([batching.padding_rows((1,)), batching.note_rows(fields)]).astype(np.int32)
    after = np.array(features.next_row(rows[:-1], rows[1:, STEP]))
    after[:, 1:4] = rows[1:, 1:4]
    assert (after == rows[1:]).all()
    assert history.NUM_RECENT < 40  # so that the oldest notes drop out
