"""Augmentation of training pieces."""

import numpy as np

from stages.representation.grid_encoding import NUM_KEYS, PITCH


def transpose(fields: np.ndarray, semitones: int) -> np.ndarray:
    """`fields` moved up by `semitones`, which must leave every note on the keyboard (see `transpositions`)."""
    moved = fields.copy()
    moved[:, PITCH] += semitones
    return moved


def transposition_range(fields: np.ndarray, most: int) -> tuple[int, int]:
    """The lowest and highest transposition of at most `most` semitones that keep every note on the keyboard."""
    if not len(fields):
        return 0, 0
    return max(-most, -int(fields[:, PITCH].min())), min(most, NUM_KEYS - 1 - int(fields[:, PITCH].max()))
