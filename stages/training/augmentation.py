"""Augmentation of training pieces by transposition and change of loudness."""

import numpy as np

from stages.representation.grid_encoding import NUM_KEYS, PITCH, VELOCITY, VELOCITY_BINS


def transpose(fields: np.ndarray, semitones: int) -> np.ndarray:
    """Move every note of a piece up or down.

    Args:
        fields: int32, shape (notes, 4); see `grid_encoding`.
        semitones: added to every key; must leave all notes on the keyboard (see `transposition_range`).

    Returns:
        A copy of `fields`, transposed.
    """
    transposed = fields.copy()
    transposed[:, PITCH] += semitones
    return transposed


def transposition_range(fields: np.ndarray, max_semitones: int) -> tuple[int, int]:
    """Return the lowest and highest transposition that keep every note on the keyboard.

    Args:
        fields: int32, shape (notes, 4); see `grid_encoding`.
        max_semitones: no transposition goes further, up or down; at least 0.

    Returns:
        Two numbers of semitones, from -max_semitones to 0 and from 0 to max_semitones; 0 and 0 if there are no notes.
    """
    if not len(fields):
        return 0, 0
    lowest_key, highest_key = int(fields[:, PITCH].min()), int(fields[:, PITCH].max())
    return max(-max_semitones, -lowest_key), min(max_semitones, NUM_KEYS - 1 - highest_key)


def shift_velocity(fields: np.ndarray, bins: int) -> np.ndarray:
    """Make every note of a piece louder or softer.

    Args:
        fields: int32, shape (notes, 4); see `grid_encoding`.
        bins: added to every velocity bin; the sum is clipped to the bins there are.

    Returns:
        A copy of `fields` with other velocities.
    """
    shifted = fields.copy()
    shifted[:, VELOCITY] = np.clip(shifted[:, VELOCITY] + bins, 0, VELOCITY_BINS - 1)
    return shifted
