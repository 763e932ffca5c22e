"""What the notes before a note tell of its onset: the network's input features of the past."""

import numpy as np

from stages.representation.grid_encoding import DURATION, DURATION_FRAMES, NUM_KEYS, PITCH, STEP, STEP_FRAMES, VELOCITY

NUM_RECENT = 16  # earlier notes whose times a note is given; half of all notes end together with one of the last eight

# What `keyboard` tells of each key.
FRAMES_LEFT, FRAMES_SINCE, LAST_VELOCITY, LAST_DURATION = range(4)

MAX_FRAMES_AGO = 1000  # cells; a key whose last note ended earlier than that, or that had none yet

UNPLAYED_KEYS = np.repeat(np.array([-MAX_FRAMES_AGO, DURATION_FRAMES, 0, 0], np.int16)[:, None], NUM_KEYS, axis=1)


def remaining_frames(fields: np.ndarray) -> np.ndarray:
    """Cells that each of the RECENT notes before a note, the nearest first, still sounds at that note's onset.

    Shape (notes, RECENT), int16; -1 where the earlier note has ended or there is none, 0 where it ends at the onset.
    """
    onset = _onset(fields)
    end = onset + fields[:, DURATION]
    left = np.full((len(fields), NUM_RECENT), -1, np.int16)
    for back in range(1, min(NUM_RECENT, len(fields) - 1) + 1):
        left[back:, back - 1] = np.clip(end[:-back] - onset[back:], -1, DURATION_FRAMES)
    return left


def elapsed_frames(fields: np.ndarray) -> np.ndarray:
    """Cells from the onset of each of the RECENT notes before a note, the nearest first, to that note's onset.

    Shape (notes, RECENT), int16, at most STEP_CELLS - 1; -1 where there is no such note.
    """
    onset = _onset(fields)
    passed = np.full((len(fields), NUM_RECENT), -1, np.int16)
    for back in range(1, min(NUM_RECENT, len(fields) - 1) + 1):
        passed[back:, back - 1] = np.minimum(onset[back:] - onset[:-back], STEP_FRAMES - 1)
    return passed


def keyboard_state(fields: np.ndarray, first: int = 0) -> np.ndarray:
    """What each key's last note before a note was, as seen from that note's onset, for the notes from `first` on.

    Int16, shape (notes - first, 4, KEYS):

    LEFT      cells until it ends, -LONG_AGO..DURATION_CELLS; below 0 it ended so long ago
    SINCE     cells since it was struck, 0..DURATION_CELLS
    LOUDNESS  its velocity bin, counted from 1
    LENGTH    its duration in cells

    A key that has not been struck yet is as in UNTOUCHED.
    """
    onset = _onset(fields)
    never = -(MAX_FRAMES_AGO + DURATION_FRAMES)  # before all music, by more than LEFT and SINCE can tell
    # Place 0 stands for no note, place i for note i - 1.
    struck = np.concatenate([[never], onset[:-1]]).astype(np.int32)
    ended = np.concatenate([[never], (onset + fields[:, DURATION])[:-1]]).astype(np.int32)
    place = np.arange(len(fields))
    last = np.zeros((len(fields) - first, NUM_KEYS), np.int32)
    if first:
        np.maximum.at(last[0], fields[:first, PITCH], place[1 : first + 1])
    last[place[1 : len(last)], fields[first:-1, PITCH]] = place[first + 1 :]
    np.maximum.accumulate(last, axis=0, out=last)
    onset = onset[first:, None]
    keys = np.empty((len(last), 4, NUM_KEYS), np.int16)
    keys[:, FRAMES_LEFT] = np.clip(ended[last] - onset, -MAX_FRAMES_AGO, DURATION_FRAMES)
    keys[:, FRAMES_SINCE] = np.minimum(onset - struck[last], DURATION_FRAMES)
    keys[:, LAST_VELOCITY] = np.concatenate([[0], fields[:-1, VELOCITY] + 1]).astype(np.int16)[last]
    keys[:, LAST_DURATION] = np.concatenate([[0], fields[:-1, DURATION]]).astype(np.int16)[last]
    return keys


def _onset(fields: np.ndarray) -> np.ndarray:
    return np.cumsum(fields[:, STEP], dtype=np.int32)
