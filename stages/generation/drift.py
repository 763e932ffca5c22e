"""Drift: how the last notes differ from those of the long term, and a bias from the one towards the other.

The network remembers some seconds. It cannot notice that over a minute its music has become faster, or thinner, and
small changes add up. So the distribution p of each field is tilted: where the recent notes were slower, higher, longer
or louder than those of the long term, towards faster, lower, shorter or softer ones, and the other way round. With a
measure x of the field's value, it becomes, up to normalization,

    p(value) exp(drift_bias (long_term - recent) x(value))

where recent and long_term are means of x over the notes so far. The measures are

    step      log(1 + step), the step in frames, so that one long rest does not count as a slow passage
    pitch     in octaves
    duration  log(duration), the duration in frames
    velocity  in units of 16, as MIDI counts velocity

A bias of 0 leaves p as it is.

Source: F. Esscher, On the probability function in the collective theory of risk, 1932 (exponential tilting).
"""

import numpy as np
from keras import ops

from stages.representation.grid_encoding import (
    DURATION,
    DURATION_EDGES,
    NUM_KEYS,
    PITCH,
    STEP,
    STEP_EDGES,
    VELOCITY,
    VELOCITY_BIN_WIDTH,
    VELOCITY_BINS,
)

RECENT_NOTES, LONG_TERM_NOTES = 64, 512
"""Lengths of the two means in notes: the mean of all notes up to that many, then an exponential moving average in which
each new note has the weight 1 / length."""

_KEYS_PER_OCTAVE, _BINS_PER_UNIT = 12, 16 / VELOCITY_BIN_WIDTH


def _middle(edges: np.ndarray) -> np.ndarray:
    return (edges[:-1] + edges[1:] - 1) / 2


STEP_MEASURE = np.log1p(_middle(STEP_EDGES)).astype(np.float32)
"""The measure of each step bin, at its middle."""

PITCH_MEASURE = (np.arange(NUM_KEYS) / _KEYS_PER_OCTAVE).astype(np.float32)
"""The measure of each key."""

DURATION_MEASURE = np.log(_middle(DURATION_EDGES)).astype(np.float32)
"""The measure of each duration bin, at its middle."""

VELOCITY_MEASURE = (np.arange(VELOCITY_BINS) / _BINS_PER_UNIT).astype(np.float32)
"""The measure of each velocity bin."""


def measures(fields):
    """Return the measure of each field of notes on the grid.

    Args:
        fields: integers, shape (..., 4).

    Returns:
        float32, shape (..., 4).
    """
    values = ops.cast(fields, "float32")
    return ops.stack(
        [
            ops.log1p(values[..., STEP]),
            values[..., PITCH] / _KEYS_PER_OCTAVE,
            ops.log(ops.maximum(values[..., DURATION], 1.0)),
            values[..., VELOCITY] / _BINS_PER_UNIT,
        ],
        axis=-1,
    )


def drift_state(fields: np.ndarray) -> np.ndarray:
    """Return the state after the notes of a piece.

    Args:
        fields: the notes on the grid, integer, shape (notes, 4).

    Returns:
        float32, shape (9,): the number of notes, the recent means of the four measures, and the long-term means.
    """
    recent, long_term = np.zeros(4), np.zeros(4)
    for number, values in enumerate(ops.convert_to_numpy(measures(fields)), start=1):
        recent += (values - recent) / min(number, RECENT_NOTES)
        long_term += (values - long_term) / min(number, LONG_TERM_NOTES)
    return np.concatenate([[len(fields)], recent, long_term]).astype(np.float32)


def update_drift_state(state, fields):
    """Return the states of a batch after one more note.

    Args:
        state: float32, shape (batch, 9), see `drift_state`.
        fields: the note on the grid, integers, shape (batch, 4).
    """
    number, (recent, long_term) = state[:, :1] + 1, ops.split(state[:, 1:], 2, axis=-1)
    values = measures(fields)
    recent = recent + (values - recent) / ops.minimum(number, RECENT_NOTES)
    long_term = long_term + (values - long_term) / ops.minimum(number, LONG_TERM_NOTES)
    return ops.concatenate([number, recent, long_term], axis=-1)


def tilts(state, drift_bias):
    """Return the tilt of each field: the factor of its measure in what is added to its log-probabilities.

    Args:
        state: float32, shape (batch, 9), see `drift_state`.
        drift_bias: strength for each field, at least 0, float32, shape (4,).

    Returns:
        float32, shape (batch, 4).
    """
    recent, long_term = ops.split(state[:, 1:], 2, axis=-1)
    return drift_bias * (long_term - recent)
