"""Transposition leaves every note on the keyboard and changes only keys; shifting the velocity changes only that."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.representation.grid_encoding import DURATION, NUM_KEYS, PITCH, STEP, VELOCITY
from stages.training import augmentation

FIELDS = st.lists(
    st.tuples(st.integers(0, 800), st.integers(0, NUM_KEYS - 1), st.integers(1, 2999), st.integers(0, 31)),
    min_size=1,
    max_size=40,
).map(lambda rows: np.array(rows, np.int32))


@given(FIELDS, st.integers(0, 12))
def test_transpositions_keep_every_note_on_the_keyboard(fields, max_semitones):
    low, high = augmentation.transposition_range(fields, max_semitones)
    assert -max_semitones <= low <= 0 <= high <= max_semitones
    for semitones in (low, high):
        transposed = augmentation.transpose(fields, semitones)
        assert (transposed[:, PITCH] == fields[:, PITCH] + semitones).all()
        assert transposed[:, PITCH].min() >= 0 and transposed[:, PITCH].max() < NUM_KEYS
        assert (transposed[:, [STEP, DURATION, VELOCITY]] == fields[:, [STEP, DURATION, VELOCITY]]).all()
    for semitones in (low - 1, high + 1):
        if abs(semitones) <= max_semitones:
            keys = fields[:, PITCH] + semitones
            assert keys.min() < 0 or keys.max() >= NUM_KEYS


def test_the_original_is_not_changed():
    fields = np.array([[0, 40, 5, 16]], np.int32)
    augmentation.transpose(fields, 3)
    assert fields.tolist() == [[0, 40, 5, 16]]


def test_no_notes_have_no_transposition():
    assert augmentation.transposition_range(np.zeros((0, 4), np.int32), 6) == (0, 0)


@given(FIELDS, st.integers(-8, 8))
def test_shifted_velocities_stay_in_their_range(fields, bins):
    shifted = augmentation.shift_velocity(fields, bins)
    assert shifted[:, VELOCITY].tolist() == [min(max(velocity + bins, 0), 31) for velocity in fields[:, VELOCITY]]
    assert (shifted[:, :VELOCITY] == fields[:, :VELOCITY]).all()
