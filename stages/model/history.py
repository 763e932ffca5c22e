"""Note rows: the four fields of each note and the input features of the past at its onset, computed with numpy.

A row is a vector of ROW_SIZE int16 with the columns

    STEP, PITCH, DURATION, VELOCITY  the fields of the note (representation.grid_encoding)
    REMAINING                        see remaining_frames
    ELAPSED                          see elapsed_frames
    PREVIOUS_PITCHES                 see previous_pitches
    KEYBOARD                         see keyboard_state, flattened

A row whose pitch is PAD_PITCH is padding: it stands before the first note of a piece and after the last one.
"""

import numpy as np

from stages.representation.grid_encoding import DURATION, DURATION_FRAMES, NUM_KEYS, PITCH, STEP, STEP_FRAMES, VELOCITY

NUM_RECENT = 16  # earlier notes that a row describes; half of all notes end together with one of these
NUM_PREVIOUS_PITCHES = 2

# The features of each key in keyboard_state.
FRAMES_LEFT, FRAMES_SINCE, LAST_VELOCITY, LAST_DURATION = range(4)
KEY_FEATURES = 4

MAX_FRAMES_AGO = 1000  # a note that ended longer ago than this counts as having ended this long ago

UNPLAYED_KEYS = np.repeat(np.array([-MAX_FRAMES_AGO, DURATION_FRAMES, 0, 0], np.int16)[:, None], NUM_KEYS, axis=1)

PAD_PITCH = NUM_KEYS

REMAINING = slice(4, 4 + NUM_RECENT)
ELAPSED = slice(REMAINING.stop, REMAINING.stop + NUM_RECENT)
PREVIOUS_PITCHES = slice(ELAPSED.stop, ELAPSED.stop + NUM_PREVIOUS_PITCHES)
KEYBOARD = slice(PREVIOUS_PITCHES.stop, PREVIOUS_PITCHES.stop + KEY_FEATURES * NUM_KEYS)
ROW_SIZE = KEYBOARD.stop


def note_rows(fields: np.ndarray, first: int = 0) -> np.ndarray:
    """Return the rows of the notes of a piece from note `first` on.

    Args:
        fields: All notes of the piece, int32, shape (notes, 4).
        first: Index of the first note that needs a row.

    Returns:
        int16, shape (notes - first, ROW_SIZE).
    """
    rows = np.empty((len(fields) - first, ROW_SIZE), np.int16)
    recent_fields = fields[max(first - NUM_RECENT, 0) :]
    skipped = len(recent_fields) - len(rows)
    rows[:, :4] = fields[first:]
    rows[:, REMAINING] = remaining_frames(recent_fields)[skipped:]
    rows[:, ELAPSED] = elapsed_frames(recent_fields)[skipped:]
    rows[:, PREVIOUS_PITCHES] = previous_pitches(recent_fields)[skipped:]
    rows[:, KEYBOARD] = keyboard_state(fields, first).reshape(len(rows), KEY_FEATURES * NUM_KEYS)
    return rows


def padding_rows(shape: tuple[int, ...]) -> np.ndarray:
    """Return padding rows, int16, shape (*shape, ROW_SIZE)."""
    rows = np.zeros((*shape, ROW_SIZE), np.int16)
    rows[..., PITCH] = PAD_PITCH
    rows[..., PREVIOUS_PITCHES] = PAD_PITCH
    rows[..., REMAINING] = rows[..., ELAPSED] = -1
    rows[..., KEYBOARD] = UNPLAYED_KEYS.ravel()
    return rows


def remaining_frames(fields: np.ndarray) -> np.ndarray:
    """Return for how many frames each of the last NUM_RECENT notes still sounds at a note's onset.

    Args:
        fields: Notes on the grid, int32, shape (notes, 4).

    Returns:
        int16, shape (notes, NUM_RECENT), the nearest earlier note first, at most DURATION_FRAMES. 0: the earlier note
        ends at the onset. -1: it has ended before, or there is no such note.
    """
    onset = _onset_frames(fields)
    end = onset + fields[:, DURATION]
    remaining = np.full((len(fields), NUM_RECENT), -1, np.int16)
    for distance in range(1, min(NUM_RECENT, len(fields) - 1) + 1):
        remaining[distance:, distance - 1] = np.clip(end[:-distance] - onset[distance:], -1, DURATION_FRAMES)
    return remaining


def elapsed_frames(fields: np.ndarray) -> np.ndarray:
    """Return how many frames before a note's onset each of the last NUM_RECENT notes began.

    Args:
        fields: Notes on the grid, int32, shape (notes, 4).

    Returns:
        int16, shape (notes, NUM_RECENT), the nearest earlier note first, at most STEP_FRAMES - 1. -1: there is no such
        note.
    """
    onset = _onset_frames(fields)
    elapsed = np.full((len(fields), NUM_RECENT), -1, np.int16)
    for distance in range(1, min(NUM_RECENT, len(fields) - 1) + 1):
        elapsed[distance:, distance - 1] = np.minimum(onset[distance:] - onset[:-distance], STEP_FRAMES - 1)
    return elapsed


def previous_pitches(fields: np.ndarray) -> np.ndarray:
    """Return the pitches of the last NUM_PREVIOUS_PITCHES notes before each note.

    Args:
        fields: Notes on the grid, int32, shape (notes, 4).

    Returns:
        int16, shape (notes, NUM_PREVIOUS_PITCHES), the nearest earlier note first. PAD_PITCH: there is no such note.
    """
    pitches = np.full((len(fields), NUM_PREVIOUS_PITCHES), PAD_PITCH, np.int16)
    for distance in range(1, min(NUM_PREVIOUS_PITCHES, len(fields) - 1) + 1):
        pitches[distance:, distance - 1] = fields[:-distance, PITCH]
    return pitches


def keyboard_state(fields: np.ndarray, first: int = 0) -> np.ndarray:
    """Return the last earlier note of each key, as seen from a note's onset, for the notes from `first` on.

    Args:
        fields: All notes of the piece, int32, shape (notes, 4).
        first: Index of the first note to describe.

    Returns:
        int16, shape (notes - first, KEY_FEATURES, NUM_KEYS). The features of a key are

        FRAMES_LEFT    frames until its last note ends, -MAX_FRAMES_AGO..DURATION_FRAMES; below 0 it has ended
        FRAMES_SINCE   frames since its last onset, 0..DURATION_FRAMES
        LAST_VELOCITY  velocity bin of its last note plus 1; 0: not played yet
        LAST_DURATION  duration of its last note in frames; 0: not played yet

        A key that has not been played yet has the features of UNPLAYED_KEYS.
    """
    return _describe_keys(fields, _last_note_of_each_key(fields, first), _onset_frames(fields)[first:])


def keyboard_state_at(fields: np.ndarray, notes: np.ndarray) -> np.ndarray:
    """Return keyboard_state of some notes only; much faster where these are few.

    Args:
        fields: All notes of the piece, int32, shape (notes, 4).
        notes: Indices of the notes to describe, rising.

    Returns:
        int16, shape (len(notes), KEY_FEATURES, NUM_KEYS).
    """
    last_note = np.zeros((len(notes), NUM_KEYS), np.int32)
    latest, start = np.zeros(NUM_KEYS, np.int32), 0
    for row, note in enumerate(notes):
        np.maximum.at(latest, fields[start:note, PITCH], np.arange(start + 1, note + 1, dtype=np.int32))
        last_note[row], start = latest, note
    return _describe_keys(fields, last_note, _onset_frames(fields)[notes])


def _describe_keys(fields: np.ndarray, last_note: np.ndarray, onset: np.ndarray) -> np.ndarray:
    # The features of all keys at `onset`, where the last note on each key is given as by _last_note_of_each_key.
    # Index 0 stands for "no note" and index i for note i - 1. "No note" is so early that every feature is clipped.
    before_music = -(MAX_FRAMES_AGO + DURATION_FRAMES)
    onset_of_note = _onset_frames(fields)
    onset_of = np.concatenate([[before_music], onset_of_note[:-1]]).astype(np.int32)
    end_of = np.concatenate([[before_music], (onset_of_note + fields[:, DURATION])[:-1]]).astype(np.int32)
    velocity_of = np.concatenate([[0], fields[:-1, VELOCITY] + 1]).astype(np.int16)
    duration_of = np.concatenate([[0], fields[:-1, DURATION]]).astype(np.int16)
    onset = onset[:, None]
    state = np.empty((len(last_note), KEY_FEATURES, NUM_KEYS), np.int16)
    state[:, FRAMES_LEFT] = np.clip(end_of[last_note] - onset, -MAX_FRAMES_AGO, DURATION_FRAMES)
    state[:, FRAMES_SINCE] = np.minimum(onset - onset_of[last_note], DURATION_FRAMES)
    state[:, LAST_VELOCITY] = velocity_of[last_note]
    state[:, LAST_DURATION] = duration_of[last_note]
    return state


def _last_note_of_each_key(fields: np.ndarray, first: int) -> np.ndarray:
    # One plus the index of the last note on each key before note first + i; 0: none. Shape (notes - first, NUM_KEYS).
    index = np.arange(len(fields))
    last_note = np.zeros((len(fields) - first, NUM_KEYS), np.int32)
    if first:
        np.maximum.at(last_note[0], fields[:first, PITCH], index[1 : first + 1])
    last_note[index[1 : len(last_note)], fields[first:-1, PITCH]] = index[first + 1 :]
    return np.maximum.accumulate(last_note, axis=0, out=last_note)


def _onset_frames(fields: np.ndarray) -> np.ndarray:
    return np.cumsum(fields[:, STEP], dtype=np.int32)
