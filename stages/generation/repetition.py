"""Repetition: a bias towards the note that followed when the music last came to where it is now.

Music repeats its phrases; the network forgets them after some seconds. So it is looked up where the last notes have
been played before, by pitch, and the note that followed there becomes likelier. The longest such match counts, of
equally long ones the last. With its length m in notes, if MIN_MATCH <= m <= MAX_MATCH, and

    strength = repeat_bias min(m - MIN_MATCH + 1, FULL_MATCH) / FULL_MATCH

the log-probability of the pitch that followed rises by the strength, and that of each step by

    strength exp(-(d / STEP_TOLERANCE) ** 2 / 2)

where d is the difference between log(1 + step) and that of the step that followed. Going back to the pitch of the last
note or of the one before it is not made likelier, nor is what follows matches of more than MAX_MATCH notes, or music
could be caught in a loop, such as a trill.

Continuing where the longest suffix has occurred before is how a factor oracle improvises: Assayag and Dubnov, Using
factor oracles for machine improvisation, Soft Computing 8, 2004.
"""

import numpy as np
from keras import ops

from stages.generation.drift import STEP_MEASURE
from stages.representation.grid_encoding import NUM_KEYS, PITCH, STEP

HISTORY_NOTES = 1024
"""Notes that are remembered."""

MIN_MATCH, MAX_MATCH = 3, 16
"""The shortest and the longest match that count, in notes."""

FULL_MATCH = 6
"""The number of lengths over which the strength rises."""

STEP_TOLERANCE = 0.15

NO_PITCH = -1

_STEP, _PITCH, _MATCH = range(3)


def repetition_state(fields: np.ndarray) -> np.ndarray:
    """Return what is remembered after the notes of a piece.

    Args:
        fields: the notes on the grid, integer, shape (notes, 4).

    Returns:
        int32, shape (HISTORY_NOTES, 3), the last note last: for each note its step, its pitch (NO_PITCH: there is no
        such note), and the length in notes of the match that ends at this note: so many last pitches up to it equal the
        last pitches of the piece. It is 0 for the last note itself.
    """
    state = np.zeros((HISTORY_NOTES, 3), np.int32)
    state[:, _PITCH] = NO_PITCH
    for note in fields[-HISTORY_NOTES:]:
        match = np.where(state[1:, _PITCH] == note[PITCH], state[:-1, _MATCH] + 1, 0)
        state[:-1, :_MATCH] = state[1:, :_MATCH]
        state[:-1, _MATCH] = match
        state[-1] = note[STEP], note[PITCH], 0
    return state


def update_repetition_state(state, fields):
    """Return the states of a batch after one more note.

    Args:
        state: int32, shape (batch, HISTORY_NOTES, 3), see `repetition_state`.
        fields: the note on the grid, int32, shape (batch, 4).
    """
    same_pitch = state[:, 1:, _PITCH] == fields[:, PITCH, None]
    match = ops.where(same_pitch, state[:, :-1, _MATCH] + 1, 0)
    earlier = ops.concatenate([state[:, 1:, :_MATCH], match[..., None]], axis=-1)
    new = ops.stack([fields[:, STEP], fields[:, PITCH], ops.zeros_like(fields[:, PITCH])], axis=-1)
    return ops.concatenate([earlier, new[:, None]], axis=1)


def repetition_bias(state, repeat_bias):
    """Return what to add to the log-probabilities of the step bins and of the keys.

    Args:
        state: int32, shape (batch, HISTORY_NOTES, 3), see `repetition_state`.
        repeat_bias: strength, at least 0, shape () or (1,).

    Returns:
        float32, shape (batch, STEP_BINS), and float32, shape (batch, NUM_KEYS).
    """
    # The note after the match with the highest score: the longest, and of those the last.
    score = state[:, :-1, _MATCH] * HISTORY_NOTES + np.arange(HISTORY_NOTES - 1, dtype=np.int32)
    best = ops.argmax(score, axis=-1)[:, None]
    match, step, pitch = (
        ops.take_along_axis(values, best, axis=1)
        for values in (state[:, :-1, _MATCH], state[:, 1:, _STEP], state[:, 1:, _PITCH])
    )
    lengths = ops.where(match <= MAX_MATCH, ops.clip(match - MIN_MATCH + 1, 0, FULL_MATCH), 0)
    strength = repeat_bias * ops.cast(lengths, "float32") / FULL_MATCH
    distance = (STEP_MEASURE - ops.log1p(ops.cast(step, "float32"))) / STEP_TOLERANCE
    goes_back = (pitch == state[:, -1:, _PITCH]) | (pitch == state[:, -2:-1, _PITCH])
    is_followed_by = (pitch == np.arange(NUM_KEYS)) & ~goes_back
    return strength * ops.exp(-(distance**2) / 2), strength * ops.cast(is_followed_by, "float32")
