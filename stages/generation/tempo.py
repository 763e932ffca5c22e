"""Tempo: how fast notes follow each other, lately and for longer, and a lean from the one towards the other.

The network remembers some seconds. That its music has become faster over a minute it cannot notice, and small changes
add up. So the step's distribution p is tilted towards longer steps where the last notes came faster than those of a
longer time, and towards shorter ones where they came slower. Up to a factor that makes its sum one, it becomes

    p(step) (1 + step) ** (steadiness (longer - recent))

where recent and longer are means of log(1 + step) up to here, with steps in cells; of logarithms, so that one long rest
does not count as a slow passage. This is exponential tilting (Esscher, 1932); steadiness 0 leaves p as it is.
"""

import numpy as np
from keras import ops

from stages.representation.grid_encoding import STEP, STEP_EDGES

RECENT_NOTES, LONG_TERM_NOTES = 64, 512
"""Notes. The means are of all notes as long as there are fewer, then each new note counts as one of so many."""

_LOG_STEP = np.log1p((STEP_EDGES[:-1] + STEP_EDGES[1:] - 1) / 2).astype(np.float32)  # of the middles of the bins


def tempo_state(fields: np.ndarray) -> np.ndarray:
    """The pace after a piece's notes (music.encoding), float32: their number, the recent and the longer mean."""
    notes, recent, longer = 0, 0.0, 0.0
    for step in np.log1p(fields[:, STEP]).tolist():
        notes += 1
        recent += (step - recent) / min(notes, RECENT_NOTES)
        longer += (step - longer) / min(notes, LONG_TERM_NOTES)
    return np.array([notes, recent, longer], np.float32)


def update_tempo_state(pace, step):
    """The pace, shape (streams, 3), after one more note each: step in cells, shape (streams,)."""
    notes, recent, longer = pace[:, 0] + 1, pace[:, 1], pace[:, 2]
    step = ops.log1p(ops.cast(step, "float32"))
    recent = recent + (step - recent) / ops.minimum(notes, RECENT_NOTES)
    longer = longer + (step - longer) / ops.minimum(notes, LONG_TERM_NOTES)
    return ops.stack([notes, recent, longer], axis=-1)


def step_logit_bias(pace, steadiness):
    """What to add to the log-probabilities of the step bins, shape (streams, STEP_BINS), after `pace`."""
    return steadiness * (pace[:, 2:] - pace[:, 1:2]) * _LOG_STEP
