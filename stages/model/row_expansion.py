"""Note rows computed with keras.ops from the fields of notes, on the device that trains.

A row is a hundred times as large as the fields it comes from. Where a GPU trains, making rows on the processor and
copying them takes longer than the training itself.
"""

import numpy as np
from keras import ops

from stages.model.history import (
    KEY_FEATURES,
    MAX_FRAMES_AGO,
    NUM_PREVIOUS_PITCHES,
    NUM_RECENT,
    PAD_PITCH,
    padding_rows,
)
from stages.representation.grid_encoding import DURATION, DURATION_FRAMES, NUM_KEYS, PITCH, STEP, STEP_FRAMES, VELOCITY


def expand_rows(fields, keyboard):
    """Return the rows of consecutive notes; the same as history.note_rows.

    Args:
        fields: The notes after the NUM_RECENT notes before them, integers, shape (batch, NUM_RECENT + notes, 4). The
            pitch of padding is PAD_PITCH; it may stand before the first note of a piece and after the last.
        keyboard: The state of all keys at the onset of the first of the notes (history.keyboard_state), integers,
            shape (batch, KEY_FEATURES, NUM_KEYS).

    Returns:
        int32, shape (batch, notes, ROW_SIZE).
    """
    fields = ops.cast(fields, "int32")
    is_note = fields[..., PITCH] < PAD_PITCH
    onset = ops.cumsum(ops.where(is_note, fields[..., STEP], 0), axis=1)
    end = onset + fields[..., DURATION]
    rows = ops.concatenate(
        [
            fields[:, NUM_RECENT:],
            _remaining_frames(onset, end, is_note),
            _elapsed_frames(onset, is_note),
            _recent(fields[..., PITCH])[..., :NUM_PREVIOUS_PITCHES],
            _keyboard(fields[:, NUM_RECENT:], onset[:, NUM_RECENT:], ops.cast(keyboard, "int32")),
        ],
        axis=-1,
    )
    return ops.where(is_note[:, NUM_RECENT:, None], rows, padding_rows(()).astype(np.int32))


def _recent(values):
    # values: shape (batch, NUM_RECENT + notes). Those of the recent notes of each note, the nearest first.
    num_notes = values.shape[1] - NUM_RECENT
    starts = range(NUM_RECENT - 1, -1, -1)
    return ops.stack([values[:, start : start + num_notes] for start in starts], axis=-1)


def _remaining_frames(onset, end, is_note):
    frames = ops.clip(_recent(end) - onset[:, NUM_RECENT:, None], -1, DURATION_FRAMES)
    return ops.where(_recent(is_note), frames, -1)


def _elapsed_frames(onset, is_note):
    frames = ops.minimum(onset[:, NUM_RECENT:, None] - _recent(onset), STEP_FRAMES - 1)
    return ops.where(_recent(is_note), frames, -1)


def _keyboard(fields, onset, keyboard):
    # The state of all keys at each onset, shape (batch, notes, KEY_FEATURES * NUM_KEYS), where `keyboard` is the first.
    batch_size, num_notes, _ = fields.shape
    number = ops.arange(1, num_notes + 1)[None, :, None]
    struck = ops.where(fields[..., PITCH, None] == ops.arange(NUM_KEYS), number, 0)
    # Before each note, the number of the last one on each key, 0 for one before the first of these notes.
    last_note = ops.pad(ops.associative_scan(ops.maximum, struck, axis=1)[:, :-1], [[0, 0], [1, 0], [0, 0]])
    index = ops.reshape(ops.maximum(last_note - 1, 0), (batch_size, -1))

    def last_of(values):
        return ops.reshape(ops.take_along_axis(values, index, axis=1), last_note.shape)

    now, known = onset[..., None], last_note > 0
    passed = now - onset[:, :1, None]
    frames_left, frames_since, velocity, duration = (keyboard[:, None, feature] for feature in range(KEY_FEATURES))
    frames_left = ops.where(known, last_of(onset + fields[..., DURATION]) - now, frames_left - passed)
    frames_since = ops.where(known, now - last_of(onset), frames_since + passed)
    state = [
        ops.clip(frames_left, -MAX_FRAMES_AGO, DURATION_FRAMES),
        ops.minimum(frames_since, DURATION_FRAMES),
        ops.where(known, last_of(fields[..., VELOCITY]) + 1, velocity),
        ops.where(known, last_of(fields[..., DURATION]), duration),
    ]
    return ops.concatenate(state, axis=-1)
