"""Preferences: a bias towards the intervals and pitch classes that a piece uses more than the network expects.

A piece keeps to some intervals and to the notes of some keys, another piece to others. The network forgets after some
seconds what a piece keeps to, so pieces that it generates are more alike than real ones. Therefore the log-probability
of each pitch rises by

    interval_bias log(P(interval) / Q(interval)) + pitch_class_bias log(P(pitch_class) / Q(pitch_class))

with the interval from the last note and the pitch class that it would have. Let observed(i) be how many notes of the
piece so far had the interval i, and expected(i) the sum of the probabilities that the network gave it. Then

    Q(i) = (expected(i) + EXPECTED_NOTES / number of intervals) / (sum of expected + EXPECTED_NOTES)
    P(i) = (observed(i) + OBSERVED_NOTES Q(i)) / (sum of observed + OBSERVED_NOTES)

and so for pitch classes. While two notes alternate nothing is added, or trills would not end. A bias of 0 leaves the
probabilities as they are.

Making likelier what has been used is the idea of R. Kuhn and R. De Mori, "A cache-based natural language model for
speech recognition", IEEE Transactions on Pattern Analysis and Machine Intelligence 12, 1990.
"""

import numpy as np
from keras import ops

from stages.model.history import PAD_PITCH, PREVIOUS_PITCHES, previous_pitches
from stages.representation.grid_encoding import NUM_KEYS, PITCH

MAX_INTERVAL = 36
"""Semitones; larger intervals count as this one."""

NUM_INTERVALS, NUM_PITCH_CLASSES = 2 * MAX_INTERVAL + 1, 12

OBSERVED_NOTES, EXPECTED_NOTES = 30, 5
"""The weights in notes of what is supposed before there are notes: that the piece uses intervals and pitch classes as
the network expects, and that the network expects all equally often."""


def _category_table() -> np.ndarray:
    # For each pitch of the last note and each next one, 1 at the interval and at the pitch class.
    table = np.zeros((NUM_KEYS + 1, NUM_KEYS, NUM_INTERVALS + NUM_PITCH_CLASSES), np.float32)
    pitch = np.arange(NUM_KEYS)
    for previous in range(NUM_KEYS):
        interval = np.clip(pitch - previous, -MAX_INTERVAL, MAX_INTERVAL)
        table[previous, pitch, interval + MAX_INTERVAL] = 1
    table[:, pitch, NUM_INTERVALS + pitch % NUM_PITCH_CLASSES] = 1
    return table  # PAD_PITCH has no intervals


_CATEGORIES = _category_table()


def preference_state(fields: np.ndarray, pitch_log_probs: np.ndarray) -> np.ndarray:
    """Return what is counted of the notes of a piece.

    Args:
        fields: the notes on the grid, integer, shape (notes, 4).
        pitch_log_probs: the log-probabilities that the network gave each pitch of each note, shape (notes, NUM_KEYS).

    Returns:
        float32, shape (2 * (NUM_INTERVALS + NUM_PITCH_CLASSES),): observed intervals, from -MAX_INTERVAL up, and pitch
        classes, from A up; then the expected ones.
    """
    counts = np.zeros((2, NUM_INTERVALS + NUM_PITCH_CLASSES), np.float32)
    before = previous_pitches(fields)[:, 0]
    for previous in np.unique(before):
        notes = before == previous
        observed = np.bincount(fields[notes, PITCH], minlength=NUM_KEYS)
        expected = np.exp(pitch_log_probs[notes]).sum(axis=0)
        counts += np.stack([observed, expected]) @ _CATEGORIES[previous]
    return counts.ravel()


def update_preference_state(state, last_pitch, pitch, pitch_log_probs):
    """Return the states of a batch after one more note.

    Args:
        state: float32, see `preference_state`, shape (batch, ...).
        last_pitch: pitch of the last note, PAD_PITCH if there is none, int32, shape (batch,).
        pitch: pitch of the new note, int32, shape (batch,).
        pitch_log_probs: the log-probabilities that the network gave each pitch of it, shape (batch, NUM_KEYS).
    """
    categories = ops.take(_CATEGORIES, last_pitch, axis=0)
    observed = ops.take_along_axis(categories, pitch[:, None, None], axis=1)[:, 0]
    expected = ops.einsum("bp,bpc->bc", ops.exp(pitch_log_probs), categories)
    return state + ops.concatenate([observed, expected], axis=-1)


def pitch_bias(state, last_row, preference_bias):
    """Return what to add to the log-probabilities of the pitches.

    Args:
        state: float32, see `preference_state`, shape (batch, ...).
        last_row: the row of the last note, shape (batch, ROW_SIZE).
        preference_bias: strength for intervals and for pitch classes, at least 0, float32, shape (2,).

    Returns:
        float32, shape (batch, NUM_KEYS).
    """
    observed, expected = ops.split(state, 2, axis=-1)
    intervals, pitch_classes = slice(0, NUM_INTERVALS), slice(NUM_INTERVALS, None)
    log_ratios = [
        preference_bias[index] * _log_ratio(observed[:, part], expected[:, part])
        for index, part in enumerate((intervals, pitch_classes))
    ]
    categories = ops.take(_CATEGORIES, last_row[:, PITCH], axis=0)
    bias = ops.einsum("bc,bpc->bp", ops.concatenate(log_ratios, axis=-1), categories)
    second_last = last_row[:, PREVIOUS_PITCHES][:, 1]
    alternates = (last_row[:, PITCH] == second_last) & (second_last < PAD_PITCH)
    return ops.where(alternates[:, None], 0.0, bias)


def _log_ratio(observed, expected):
    prior = EXPECTED_NOTES / expected.shape[-1]
    q = (expected + prior) / (ops.sum(expected, axis=-1, keepdims=True) + EXPECTED_NOTES)
    p = (observed + OBSERVED_NOTES * q) / (ops.sum(observed, axis=-1, keepdims=True) + OBSERVED_NOTES)
    return ops.log(p / q)
