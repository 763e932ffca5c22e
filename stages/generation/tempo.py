"""Tempo: how fast notes follow each other, recently and in the long term, and a bias from the one towards the other.

The network remembers some seconds. It cannot notice that its music has become faster over a minute, and small changes
add up. So the distribution p of the step is tilted: towards longer steps where the recent notes came faster than those
of the long term, and towards shorter ones where they came slower. Up to normalization it becomes

    p(step) (1 + step) ** (tempo_bias (long_term - recent))

where recent and long_term are means of log(1 + step) over the notes so far, with steps in frames. They are means of
logarithms so that one long rest does not count as a slow passage. A bias of 0 leaves p as it is.

Source: F. Esscher, On the probability function in the collective theory of risk, 1932 (exponential tilting).
"""

import numpy as np
from keras import ops

from stages.representation.grid_encoding import STEP, STEP_EDGES

RECENT_NOTES, LONG_TERM_NOTES = 64, 512
"""Lengths of the two means in notes: the mean of all notes up to that many, then an exponential moving average in which
each new note has the weight 1 / length."""

_LOG_STEP = np.log1p((STEP_EDGES[:-1] + STEP_EDGES[1:] - 1) / 2).astype(np.float32)  # at the middle of each bin


def tempo_state(fields: np.ndarray) -> np.ndarray:
    """Return the tempo state after the notes of a piece.

    Args:
        fields: the notes on the grid, integer, shape (notes, 4).

    Returns:
        float32, shape (3,): the number of notes, the recent and the long-term mean of log(1 + step).
    """
    notes, recent, long_term = 0, 0.0, 0.0
    for log_step in np.log1p(fields[:, STEP]).tolist():
        notes += 1
        recent += (log_step - recent) / min(notes, RECENT_NOTES)
        long_term += (log_step - long_term) / min(notes, LONG_TERM_NOTES)
    return np.array([notes, recent, long_term], np.float32)


def update_tempo_state(state, step):
    """Return the tempo states of a batch after one more note.

    Args:
        state: float32, shape (batch, 3), see `tempo_state`.
        step: the step of the note in frames, integer, shape (batch,).
    """
    notes, recent, long_term = state[:, 0] + 1, state[:, 1], state[:, 2]
    log_step = ops.log1p(ops.cast(step, "float32"))
    recent = recent + (log_step - recent) / ops.minimum(notes, RECENT_NOTES)
    long_term = long_term + (log_step - long_term) / ops.minimum(notes, LONG_TERM_NOTES)
    return ops.stack([notes, recent, long_term], axis=-1)


def step_logit_bias(state, tempo_bias):
    """Return what to add to the log-probabilities of the step bins.

    Args:
        state: the tempo state, float32, shape (batch, 3).
        tempo_bias: strength, at least 0, shape () or (1,).

    Returns:
        float32, shape (batch, STEP_BINS).
    """
    return tempo_bias * (state[:, 2:] - state[:, 1:2]) * _LOG_STEP
