"""What the network is shown: numbers made from rows (network.batches) so that it need not work them out itself.

Functions of rows take integers of shape (..., COLUMNS) and give float32 of shape (..., features); `room` and the two
bins take cells.
"""

import numpy as np
from keras import ops

from stages.model.batching import ELAPSED, KEYBOARD, PAD_PITCH, REMAINING
from stages.model.history import FRAMES_LEFT, FRAMES_SINCE, LAST_DURATION, LAST_VELOCITY, MAX_FRAMES_AGO, NUM_RECENT
from stages.representation import grid_encoding
from stages.representation.grid_encoding import (
    DURATION,
    DURATION_BINS,
    DURATION_FRAMES,
    NUM_KEYS,
    PITCH,
    STEP,
    STEP_BINS,
    VELOCITY,
    VELOCITY_BINS,
)

# `note` puts features in the order in which they are drawn, so what is known before one is a beginning of them.
SIZE_BEFORE_PITCH = STEP_BINS + 2 * NUM_RECENT
SIZE_BEFORE_DURATION = SIZE_BEFORE_PITCH + NUM_KEYS + 1
SIZE_BEFORE_VELOCITY = SIZE_BEFORE_DURATION + DURATION_BINS
NOTE_SIZE = SIZE_BEFORE_VELOCITY + VELOCITY_BINS

FUTURE_NOTE_SIZE = NUM_KEYS + 1 + DURATION_BINS + VELOCITY_BINS + STEP_BINS
TIME_SIZE = STEP_BINS + 1
TIMING_SIZE = 2 * STEP_BINS
KEYBOARD_SIZE = 5 * NUM_KEYS
NEARBY_SEMITONES = 12  # semitones to either side of a note that `neighbours` looks
NEARBY_KEYS_SIZE = 8 * (2 * NEARBY_SEMITONES + 1)

_FADE, _LONG_FADE = 30.0, 300.0  # cells in which the memory of a stroke falls to 1/e
_LONGEST = float(np.log1p(DURATION_FRAMES))


def note_features(rows):
    """A note, shape (..., NOTE): bins as ones among noughts, and how long earlier notes go on sounding.

    The columns: step, two for each of the RECENT notes before, pitch (the last column for NO_NOTE), duration, velocity.
    """
    fields = ops.cast(rows[..., :4], "int32")
    remaining = ops.cast(rows[..., REMAINING], "float32")
    return ops.concatenate(
        [
            ops.one_hot(step_bin(fields[..., STEP]), STEP_BINS),
            # Logarithms put ends soon and ends late on one scale; the flags tell an end now from no note at all.
            _log(remaining),
            ops.cast(remaining >= 0, "float32"),
            ops.one_hot(fields[..., PITCH], NUM_KEYS + 1),
            ops.one_hot(duration_bin(fields[..., DURATION]), DURATION_BINS),
            ops.one_hot(fields[..., VELOCITY], VELOCITY_BINS),
        ],
        axis=-1,
    )


def future_note_features(rows):
    """The notes of a future, shape (batch, notes, NOTE_AHEAD): pitch, duration, velocity, and the step to the next.

    Nothing else in the rows of a future may be looked at: what they tell of the past tells of the notes asked for.
    """
    fields = ops.cast(rows[..., :4], "int32")
    following = ops.pad(fields[:, 1:, STEP], [[0, 0], [0, 1]])
    return ops.concatenate(
        [
            ops.one_hot(fields[..., PITCH], NUM_KEYS + 1),
            ops.one_hot(duration_bin(fields[..., DURATION]), DURATION_BINS),
            ops.one_hot(fields[..., VELOCITY], VELOCITY_BINS),
            ops.one_hot(step_bin(following), STEP_BINS),
        ],
        axis=-1,
    )


def time_features(cells):
    """Cells from the past's last onset to the future's first, integers of shape (...): shape (..., ROOM).

    Below 0 there is no future, and all is nought.
    """
    bins = step_bin(ops.clip(cells, 0, grid_encoding.STEP_FRAMES - 1))
    return ops.concatenate(
        [
            ops.one_hot(ops.where(cells < 0, -1, bins), STEP_BINS),
            _log(ops.cast(cells, "float32"))[..., None],
        ],
        axis=-1,
    )


def timing_histogram(rows):
    """When things happened and will, around the note's onset, counted in step bins: shape (..., RHYTHM).

    How many of the RECENT notes before it end in each bin after its onset, and how many were struck in each before.
    """
    return _rhythm(rows, ops.cast(rows[..., REMAINING], "int32"))


def next_timing_histogram(rows):
    """`rhythm` with the note's own end counted too: a next onset is likely where a note ends, and at a distance heard
    before.
    """
    own = ops.cast(rows[..., DURATION, None], "int32")
    return _rhythm(rows, ops.concatenate([own, ops.cast(rows[..., REMAINING], "int32")], axis=-1))


def _rhythm(rows, ends):
    passed, real = ops.cast(rows[..., ELAPSED], "int32"), rows[..., PITCH, None] < PAD_PITCH
    return ops.concatenate([_counted(ends, real & (ends > 0)), _counted(passed, real & (passed >= 0))], axis=-1)


def keyboard_features(rows):
    """Every key at the note's onset, shape (..., KEYS_HEARD): whether it sounds, ends just now, for how long it will
    go on, and how fresh its last stroke is, by a short and a long memory.
    """
    keys = ops.reshape(rows[..., KEYBOARD], (*rows.shape[:-1], 4, NUM_KEYS))
    left, since = (ops.cast(keys[..., plane, :], "float32") for plane in (FRAMES_LEFT, FRAMES_SINCE))
    return ops.concatenate(
        [
            ops.cast(left > 0, "float32"),
            ops.cast(left == 0, "float32"),
            _log(left),
            ops.exp(-since / _FADE),
            ops.exp(-since / _LONG_FADE),
        ],
        axis=-1,
    )


def nearby_key_features(rows):
    """The keys around the note's own, up to REACH semitones to either side, shape (..., NEIGHBOURS).

    Of each what `keys_heard` tells, and the loudness and length of its last note; noughts beyond the keyboard.
    """
    keys = ops.reshape(ops.cast(rows[..., KEYBOARD], "int32"), (-1, 4, NUM_KEYS))
    keys = ops.pad(keys, [[0, 0], [0, 0], [NEARBY_SEMITONES, NEARBY_SEMITONES]], constant_values=-MAX_FRAMES_AGO)
    # One flat gather: the note's pitch is the place of the key REACH semitones below it.
    width = NUM_KEYS + 2 * NEARBY_SEMITONES
    pitch = ops.reshape(ops.minimum(ops.cast(rows[..., PITCH], "int32"), NUM_KEYS - 1), (-1, 1, 1))
    place = (
        ops.reshape(ops.arange(ops.shape(keys)[0] * 4), (-1, 4, 1)) * width
        + pitch
        + ops.arange(2 * NEARBY_SEMITONES + 1)
    )
    around = ops.cast(ops.take(ops.reshape(keys, (-1,)), place), "float32")
    left, since, loudness, length = (
        around[:, plane] for plane in (FRAMES_LEFT, FRAMES_SINCE, LAST_VELOCITY, LAST_DURATION)
    )
    struck = ops.cast(loudness > 0, "float32")
    shown = [
        struck,
        ops.cast(left > 0, "float32"),
        ops.cast(left == 0, "float32"),
        _log(left),
        struck * ops.exp(-since / _FADE),
        struck * ops.exp(-since / _LONG_FADE),
        struck * loudness / VELOCITY_BINS,
        _log(length),
    ]
    return ops.reshape(ops.concatenate(shown, axis=-1), (*rows.shape[:-1], NEARBY_KEYS_SIZE))


def next_row(row, step):
    """What can be told at the onset of the note after `row`, which comes `step` cells later: integers (batch, COLUMNS).

    The note's own fields but its step are noughts still, to be filled in as they are drawn. The same as
    batches.rows_of, note after note.
    """
    row, step = ops.cast(row, "int32"), ops.cast(step, "int32")[:, None]
    real = row[:, PITCH, None] < PAD_PITCH
    remaining = ops.concatenate([ops.where(real, row[:, DURATION, None], -1), row[:, REMAINING]], axis=-1)
    passed = ops.concatenate([ops.where(real, 0, -1), row[:, ELAPSED]], axis=-1)
    keys = ops.reshape(row[:, KEYBOARD], (-1, 4, NUM_KEYS))
    this = real & (ops.arange(NUM_KEYS) == row[:, PITCH, None])
    loudness, length = row[:, VELOCITY, None] + 1, row[:, DURATION, None]
    left, since, loudness, length = (
        ops.where(this, now, keys[:, plane])
        for plane, now in ((FRAMES_LEFT, length), (FRAMES_SINCE, 0), (LAST_VELOCITY, loudness), (LAST_DURATION, length))
    )
    fields = ops.concatenate([step, ops.zeros_like(row[:, 1:4])], axis=-1)
    return ops.concatenate(
        [
            fields,
            ops.maximum(remaining[:, :NUM_RECENT] - step, -1),  # -1 stays -1: what has ended does not come back
            ops.where(
                passed[:, :NUM_RECENT] < 0,
                -1,
                ops.minimum(passed[:, :NUM_RECENT] + step, grid_encoding.STEP_FRAMES - 1),
            ),
            ops.maximum(left - step, -MAX_FRAMES_AGO),
            ops.minimum(since + step, DURATION_FRAMES),
            loudness,
            length,
        ],
        axis=-1,
    )


def step_bin(cells):
    """The step bin of each number of cells."""
    return ops.take(grid_encoding.STEP_BIN, cells)


def duration_bin(cells):
    """The duration bin of each number of cells."""
    return ops.take(grid_encoding.DURATION_BIN, cells)


def _log(cells):
    return ops.log1p(ops.maximum(cells, 0.0)) / _LONGEST


def _counted(cells, counts):
    # How many of the last axis' cells fall in each step bin, of those that count.
    bins = step_bin(ops.clip(cells, 0, grid_encoding.STEP_FRAMES - 1))
    return ops.sum(ops.one_hot(ops.where(counts, bins, -1), STEP_BINS), axis=-2)
