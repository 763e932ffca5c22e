"""Input features of the network, computed from note rows with keras.ops.

Unless it says otherwise, a function takes rows (stages.model.history), integers of shape (..., ROW_SIZE), and returns
float32 of shape (..., features). Times are in frames of 10 ms.
"""

import math

import keras
import numpy as np
from keras import ops

from stages.model.history import (
    ELAPSED,
    FRAMES_LEFT,
    FRAMES_SINCE,
    KEY_FEATURES,
    KEYBOARD,
    LAST_DURATION,
    LAST_VELOCITY,
    MAX_FRAMES_AGO,
    NUM_PREVIOUS_PITCHES,
    NUM_RECENT,
    PAD_PITCH,
    PREVIOUS_PITCHES,
    REMAINING,
)
from stages.representation import grid_encoding
from stages.representation.grid_encoding import (
    DURATION,
    DURATION_BINS,
    DURATION_FRAMES,
    NUM_KEYS,
    PITCH,
    STEP,
    STEP_BINS,
    STEP_FRAMES,
    VELOCITY,
    VELOCITY_BINS,
)

MAX_INTERVAL = 36  # semitones up or down; larger intervals count as this one
NUM_INTERVALS = 2 * MAX_INTERVAL + 1

# note_features are in the order in which the fields are predicted. So what is known before a field comes first.
SIZE_BEFORE_PITCH = STEP_BINS + 2 * NUM_RECENT
SIZE_BEFORE_DURATION = SIZE_BEFORE_PITCH + NUM_KEYS + 1 + NUM_PREVIOUS_PITCHES * NUM_INTERVALS
SIZE_BEFORE_VELOCITY = SIZE_BEFORE_DURATION + DURATION_BINS
NOTE_SIZE = SIZE_BEFORE_VELOCITY + VELOCITY_BINS

FUTURE_NOTE_SIZE = NUM_KEYS + 1 + DURATION_BINS + VELOCITY_BINS + STEP_BINS
TIME_SIZE = STEP_BINS + 1
TIMING_SIZE = 2 * STEP_BINS
KEYBOARD_SIZE = 5 * NUM_KEYS
SHARED_ENDS_SIZE = 2 * STEP_BINS + 2 * NUM_RECENT
POINTER_SIZE = 8 + NUM_RECENT

_NEARBY_FEATURES = 8  # of each key in nearby_key_features
_SHORT_DECAY, _LONG_DECAY = 30.0, 300.0  # frames in which the trace of an onset decays to 1/e
_MAX_LOG_FRAMES = float(np.log1p(DURATION_FRAMES))
_NEAR_FRAMES = 30  # an end within so many frames is described to the frame


def note_features(rows):
    """Return the features of a note, shape (..., NOTE_SIZE).

    They are: one-hot step bin, scaled logarithm of the REMAINING frames, flags for REMAINING >= 0, one-hot pitch (the
    last class is PAD_PITCH), one-hot intervals from the PREVIOUS_PITCHES (all zero where one of the two pitches is no
    pitch), one-hot duration bin, one-hot velocity.
    """
    fields = ops.cast(rows[..., :4], "int32")
    remaining = ops.cast(rows[..., REMAINING], "float32")
    return ops.concatenate(
        [
            ops.one_hot(step_bin(fields[..., STEP]), STEP_BINS),
            # Both 0 and -1 have the logarithm 0. The flags tell a note that ends now from one that has ended.
            _scaled_log(remaining),
            ops.cast(remaining >= 0, "float32"),
            ops.one_hot(fields[..., PITCH], NUM_KEYS + 1),
            *_one_hot_intervals(rows),
            ops.one_hot(duration_bin(fields[..., DURATION]), DURATION_BINS),
            ops.one_hot(fields[..., VELOCITY], VELOCITY_BINS),
        ],
        axis=-1,
    )


def future_note_features(rows):
    """Return the features of the notes of a future.

    They are: one-hot pitch, duration bin and velocity, and the one-hot bin of the step to the next note. Nothing else
    in the rows of a future may be used: their REMAINING, ELAPSED and KEYBOARD depend on the notes to be predicted.

    Args:
        rows: shape (batch, notes, ROW_SIZE).

    Returns:
        float32, shape (batch, notes, FUTURE_NOTE_SIZE).
    """
    fields = ops.cast(rows[..., :4], "int32")
    next_step = ops.pad(fields[:, 1:, STEP], [[0, 0], [0, 1]])
    return ops.concatenate(
        [
            ops.one_hot(fields[..., PITCH], NUM_KEYS + 1),
            ops.one_hot(duration_bin(fields[..., DURATION]), DURATION_BINS),
            ops.one_hot(fields[..., VELOCITY], VELOCITY_BINS),
            ops.one_hot(step_bin(next_step), STEP_BINS),
        ],
        axis=-1,
    )


def time_features(frames):
    """Return the features of the time to a future: its one-hot step bin and its scaled logarithm.

    Args:
        frames: integers, shape (...); below 0 there is no future, and all features are zero.

    Returns:
        float32, shape (..., TIME_SIZE).
    """
    return ops.concatenate(
        [
            ops.one_hot(_clipped_step_bin(frames, frames >= 0), STEP_BINS),
            _scaled_log(ops.cast(frames, "float32"))[..., None],
        ],
        axis=-1,
    )


def timing_histogram(rows):
    """Return when recent notes began and will end, relative to a note's onset, shape (..., TIMING_SIZE).

    Two histograms over step bins: how long after the onset the NUM_RECENT earlier notes end, and how long before it
    they began.
    """
    return _timing_histogram(rows, ops.cast(rows[..., REMAINING], "int32"))


def next_timing_histogram(rows):
    """Return timing_histogram with the end of the note itself included, shape (..., TIMING_SIZE).

    It helps to predict the next step: notes tend to begin where another one ends, and at time intervals that occurred
    before.
    """
    own_end = ops.cast(rows[..., DURATION, None], "int32")
    return _timing_histogram(rows, ops.concatenate([own_end, ops.cast(rows[..., REMAINING], "int32")], axis=-1))


def keyboard_features(rows):
    """Return the state of all keys at a note's onset, shape (..., KEYBOARD_SIZE).

    Five values of every key: whether it sounds, whether it ends at this moment, the scaled logarithm of the frames
    until it ends, and a short and a long exponential trace of its last onset.
    """
    keys = ops.reshape(rows[..., KEYBOARD], (*rows.shape[:-1], KEY_FEATURES, NUM_KEYS))
    frames_left = ops.cast(keys[..., FRAMES_LEFT, :], "float32")
    frames_since = ops.cast(keys[..., FRAMES_SINCE, :], "float32")
    return ops.concatenate([*_sound_features(frames_left), *_onset_traces(frames_since)], axis=-1)


def nearby_keys_size(semitones: int) -> int:
    """Return how many features nearby_key_features has."""
    return _NEARBY_FEATURES * (2 * semitones + 1)


def nearby_key_features(rows, pitch, semitones: int):
    """Return the state, at a note's onset, of the keys around a pitch.

    Eight values of every key: whether it has been played, the five of keyboard_features, and velocity and scaled
    logarithm of the duration of its last note. All are zero beyond the ends of the keyboard.

    Args:
        rows: shape (..., ROW_SIZE).
        pitch: The pitch in the middle, integers, shape (...); PAD_PITCH counts as the highest key.
        semitones: How far the keys reach on either side of it.

    Returns:
        float32, shape (..., nearby_keys_size(semitones)).
    """
    nearby = _nearby_keys(rows, pitch, semitones)
    played = ops.cast(nearby[:, LAST_VELOCITY] > 0, "float32")
    values = [
        played,
        *_sound_features(nearby[:, FRAMES_LEFT]),
        *(played * trace for trace in _onset_traces(nearby[:, FRAMES_SINCE])),
        played * nearby[:, LAST_VELOCITY] / VELOCITY_BINS,
        _scaled_log(nearby[:, LAST_DURATION]),
    ]
    return ops.reshape(ops.concatenate(values, axis=-1), (*rows.shape[:-1], nearby_keys_size(semitones)))


def shared_ends_features(rows):
    """Return which notes end together, and when keys ended and will end, shape (..., SHARED_ENDS_SIZE).

    When the pedal comes up, many keys end in the same frame. Two histograms over step bins, each divided by 2: how long
    ago the keys ended that ended less than MAX_FRAMES_AGO ago, and how long the sounding ones will sound. Then, for
    each recent note that still sounds, how many recent notes end with it, give or take a frame, and how many later,
    both divided by 4.
    """
    keys = ops.reshape(ops.cast(rows[..., KEYBOARD], "int32"), (*rows.shape[:-1], KEY_FEATURES, NUM_KEYS))
    frames_left = keys[..., FRAMES_LEFT, :]
    ended = _step_histogram(-frames_left, (frames_left <= 0) & (frames_left > -MAX_FRAMES_AGO))
    sounding = _step_histogram(frames_left, frames_left > 0)
    return ops.concatenate([ended / 2, sounding / 2, *_count_shared_ends(rows)], axis=-1)


def pointer_features(rows):
    """Return what each recent note is like as the target of a duration pointer.

    They are: whether it still sounds, the scaled logarithms of the frames until it ends, since it began, and of the two
    together, the two counts of shared_ends_features, whether it began at this moment, the frames until it ends up to
    30, and its one-hot position among the recent notes.

    Returns:
        float32, shape (..., NUM_RECENT, POINTER_SIZE).
    """
    remaining, elapsed = ops.cast(rows[..., REMAINING], "float32"), ops.cast(rows[..., ELAPSED], "float32")
    same_end, later_end = _count_shared_ends(rows)
    features = ops.stack(
        [
            ops.cast(remaining >= 1, "float32"),
            _scaled_log(remaining),
            _scaled_log(elapsed),
            _scaled_log(remaining + elapsed),
            same_end,
            later_end,
            ops.cast(elapsed == 0, "float32"),
            ops.clip(remaining, 0.0, _NEAR_FRAMES) / _NEAR_FRAMES,
        ],
        axis=-1,
    )
    position = ops.broadcast_to(ops.eye(NUM_RECENT), (*features.shape[:-1], NUM_RECENT))
    return ops.concatenate([features, position], axis=-1)


def next_row(row, step):
    """Return the row of the note after `row`, before its pitch, duration and velocity are known.

    Applied note after note it gives the same rows as history.note_rows.

    Args:
        row: integers, shape (batch, ROW_SIZE).
        step: frames from the onset of `row` to that of the next note, integers, shape (batch,).

    Returns:
        int32, shape (batch, ROW_SIZE). Pitch, duration and velocity are zero.
    """
    row, step = ops.cast(row, "int32"), ops.cast(step, "int32")[:, None]
    is_note = row[:, PITCH, None] < PAD_PITCH
    # The note of `row` becomes the nearest of the recent notes, and the farthest one drops out.
    remaining = ops.concatenate([ops.where(is_note, row[:, DURATION, None], -1), row[:, REMAINING]], axis=-1)
    elapsed = ops.concatenate([ops.where(is_note, 0, -1), row[:, ELAPSED]], axis=-1)
    remaining, elapsed = remaining[:, :NUM_RECENT], elapsed[:, :NUM_RECENT]
    return ops.concatenate(
        [
            step,
            ops.zeros_like(row[:, 1:4]),
            ops.maximum(remaining - step, -1),
            ops.where(elapsed < 0, -1, ops.minimum(elapsed + step, STEP_FRAMES - 1)),
            ops.concatenate([row[:, PITCH, None], row[:, PREVIOUS_PITCHES]], axis=-1)[:, :NUM_PREVIOUS_PITCHES],
            *_next_keyboard(row, is_note, step),
        ],
        axis=-1,
    )


def step_bin(frames):
    """Return the step bin of each number of frames."""
    return ops.take(grid_encoding.STEP_BIN, frames)


def duration_bin(frames):
    """Return the duration bin of each number of frames."""
    return ops.take(grid_encoding.DURATION_BIN, frames)


def _one_hot_intervals(rows):
    pitch, previous = ops.cast(rows[..., PITCH, None], "int32"), ops.cast(rows[..., PREVIOUS_PITCHES], "int32")
    interval = ops.clip(pitch - previous, -MAX_INTERVAL, MAX_INTERVAL) + MAX_INTERVAL
    # The class -1 is all zeros as a one-hot vector.
    one_hot = ops.one_hot(ops.where((pitch < PAD_PITCH) & (previous < PAD_PITCH), interval, -1), NUM_INTERVALS)
    return [one_hot[..., position, :] for position in range(NUM_PREVIOUS_PITCHES)]


def _count_shared_ends(rows):
    # For each recent note that still sounds, the recent notes that end with it (itself included), and those that end
    # later; both divided by 4.
    remaining = ops.cast(rows[..., REMAINING], "int32")
    sounding = remaining >= 1
    later_by = remaining[..., None, :] - remaining[..., None]
    both_sound = sounding[..., None] & sounding[..., None, :]
    same_end = ops.sum(ops.cast(both_sound & (ops.abs(later_by) <= 1), "float32"), axis=-1)
    later_end = ops.sum(ops.cast(both_sound & (later_by > 1), "float32"), axis=-1)
    return same_end / 4, later_end / 4


def _timing_histogram(rows, frames_to_end):
    elapsed, is_note = ops.cast(rows[..., ELAPSED], "int32"), rows[..., PITCH, None] < PAD_PITCH
    histograms = [
        _step_histogram(frames_to_end, is_note & (frames_to_end > 0)),
        _step_histogram(elapsed, is_note & (elapsed >= 0)),
    ]
    return ops.concatenate(histograms, axis=-1)


def _step_histogram(frames, valid):
    # Count the valid values of the last axis by step bin.
    if keras.backend.backend() == "jax":  # XLA fuses the one-hot vectors with their sum
        return ops.sum(ops.one_hot(_clipped_step_bin(frames, valid), STEP_BINS), axis=-2)
    num_rows = math.prod(frames.shape[:-1])
    # Each row has a counter for each bin, and one for what is not valid.
    counter = ops.where(valid, step_bin(ops.clip(frames, 0, STEP_FRAMES - 1)), STEP_BINS)
    counter = ops.reshape(counter, (num_rows, -1)) + (STEP_BINS + 1) * ops.arange(num_rows)[:, None]
    ones = ops.ones((math.prod(frames.shape),))
    counts = ops.segment_sum(ones, ops.reshape(counter, (-1,)), (STEP_BINS + 1) * num_rows)
    return ops.reshape(counts, (*frames.shape[:-1], STEP_BINS + 1))[..., :STEP_BINS]


def _clipped_step_bin(frames, valid):
    # The step bin where `valid`, else -1, which is all zeros as a one-hot vector.
    return ops.where(valid, step_bin(ops.clip(frames, 0, STEP_FRAMES - 1)), -1)


def _scaled_log(frames):
    # 0 for no frames or fewer, 1 for the longest duration.
    return ops.log1p(ops.maximum(frames, 0.0)) / _MAX_LOG_FRAMES


def _sound_features(frames_left):
    return [ops.cast(frames_left > 0, "float32"), ops.cast(frames_left == 0, "float32"), _scaled_log(frames_left)]


def _onset_traces(frames_since):
    return [ops.exp(-frames_since / _SHORT_DECAY), ops.exp(-frames_since / _LONG_DECAY)]


def _nearby_keys(rows, pitch, semitones):
    # KEYBOARD of the keys around a pitch, float32, shape (all rows, KEY_FEATURES, 2 * semitones + 1).
    keys = ops.reshape(ops.cast(rows[..., KEYBOARD], "int32"), (-1, KEY_FEATURES, NUM_KEYS))
    # Keys beyond the ends of the keyboard have ended long ago, and their velocity is not above zero.
    keys = ops.pad(keys, [[0, 0], [0, 0], [semitones, semitones]], constant_values=-MAX_FRAMES_AGO)
    # One flat gather is fast. With the margin, index `pitch` is the lowest of the keys.
    width = NUM_KEYS + 2 * semitones
    pitch = ops.reshape(ops.minimum(ops.cast(pitch, "int32"), NUM_KEYS - 1), (-1, 1, 1))
    start = ops.reshape(ops.arange(ops.shape(keys)[0] * KEY_FEATURES), (-1, KEY_FEATURES, 1)) * width
    index = start + pitch + ops.arange(2 * semitones + 1)
    return ops.cast(ops.take(ops.reshape(keys, (-1,)), index), "float32")


def _next_keyboard(row, is_note, step):
    # The features of all keys `step` frames after the onset of `row`, in the order of history.keyboard_state.
    keys = ops.reshape(row[:, KEYBOARD], (-1, KEY_FEATURES, NUM_KEYS))
    is_played_key = is_note & (ops.arange(NUM_KEYS) == row[:, PITCH, None])

    def update(feature, value):
        return ops.where(is_played_key, value, keys[:, feature])

    duration = row[:, DURATION, None]
    return [
        ops.maximum(update(FRAMES_LEFT, duration) - step, -MAX_FRAMES_AGO),
        ops.minimum(update(FRAMES_SINCE, 0) + step, DURATION_FRAMES),
        update(LAST_VELOCITY, row[:, VELOCITY, None] + 1),
        update(LAST_DURATION, duration),
    ]
