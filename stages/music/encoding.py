"""Notes as four integers on a 10 ms grid, and back: the one place that knows cells, bins and their widths.

A performance becomes an int32 array of shape (notes, 4), a row a note in order of onset cell and, within a cell, of
pitch, with the columns

    STEP      cells since the previous onset, 0..STEP_CELLS - 1; 0 for the first note
    PITCH     key, 0..87 (MIDI number - 21)
    DURATION  cells from key down to the end of the sound (the sustained duration), 1..DURATION_CELLS
    VELOCITY  velocity bin, 0..31

Models do not predict long times to the cell: step and duration cells are gathered in bins, single cells where the ear
is sharp, then geometrically wider ones. A cell's likelihood is its bin's, divided by the bin's width in cells.
"""

import numpy as np
import pandas as pd

CELL = 0.01  # seconds; the grid of Performance RNN and Music Transformer, whose likelihoods ours is compared with
FIELDS = ("step", "pitch", "duration", "velocity")
STEP, PITCH, DURATION, VELOCITY = range(4)

LOWEST_PITCH, KEYS = 21, 88
VELOCITIES = 32
STEP_CELLS = 1001  # steps of more than 10 s are cut to 10 s
DURATION_CELLS = 3000  # durations of more than 30 s are cut to 30 s


def _edges(first: int, singles: int, end: int, bins: int) -> np.ndarray:
    # The first cell of each bin, and the end: `singles` bins of one cell from `first` on, then geometric ones.
    start = first + singles
    wide = np.rint(np.geomspace(start, end, bins - singles + 1)).astype(np.int32)
    edges = np.concatenate([np.arange(first, start, dtype=np.int32), wide])
    assert (np.diff(edges) >= 1).all()
    return edges


STEP_EDGES = _edges(0, 30, STEP_CELLS, 64)
DURATION_EDGES = _edges(1, 19, DURATION_CELLS + 1, 88)
STEP_BINS, DURATION_BINS = len(STEP_EDGES) - 1, len(DURATION_EDGES) - 1
STEP_WIDTHS, DURATION_WIDTHS = np.diff(STEP_EDGES), np.diff(DURATION_EDGES)  # in cells
# Lookups from a cell to its bin; a duration of no cells, which pads have, counts as the shortest.
STEP_BIN = np.searchsorted(STEP_EDGES, np.arange(STEP_CELLS), side="right").astype(np.int32) - 1
DURATION_BIN = np.maximum(np.searchsorted(DURATION_EDGES, np.arange(DURATION_CELLS + 1), side="right") - 1, 0).astype(
    np.int32
)

RECENT = 16  # earlier notes whose times a note is given; half of all notes end together with one of the last eight

# What `keyboard` tells of each key.
LEFT, SINCE, LOUDNESS, LENGTH = range(4)
LONG_AGO = 1000  # cells; a key whose last note ended earlier than that, or that had none yet
UNTOUCHED = np.repeat(np.array([-LONG_AGO, DURATION_CELLS, 0, 0], np.int16)[:, None], KEYS, axis=1)


def encode(notes: pd.DataFrame, stretch: float = 1.0) -> np.ndarray:
    """Put one piece's note table on the grid, its times multiplied by `stretch`: int32, shape (notes, 4).

    Onsets and ends are rounded, not the times between them, so errors do not add up and notes that end together
    still do. Pitches off the 88 keys go to the nearest key an octave or more away.
    """
    start = notes["start"].to_numpy(np.float64)
    onset = np.rint(start * (stretch / CELL)).astype(np.int64)
    end = np.rint((start + notes["sustained"].to_numpy(np.float64)) * (stretch / CELL)).astype(np.int64)
    pitch = notes["pitch"].to_numpy(np.int64) - LOWEST_PITCH
    pitch = np.where(pitch < 0, pitch % 12, np.where(pitch >= KEYS, KEYS - 12 + (pitch - KEYS) % 12, pitch))
    # Order within a cell is below the grid's resolution; by pitch it costs the model nothing to know.
    order = np.lexsort((pitch, onset))
    onset, end, pitch = onset[order], end[order], pitch[order]
    fields = np.empty((len(notes), 4), np.int32)
    fields[:, STEP] = np.clip(np.diff(onset, prepend=onset[:1]), 0, STEP_CELLS - 1)
    fields[:, PITCH] = pitch
    fields[:, DURATION] = np.clip(end - onset, 1, DURATION_CELLS)
    fields[:, VELOCITY] = notes["velocity"].to_numpy()[order] // 4
    return fields


def decode(fields: np.ndarray, start: float = 0.0) -> pd.DataFrame:
    """The note table (without `piece`) of one piece on the grid, its first step counted from `start` seconds.

    Times are whole cells, velocities the middle of their bin, and duration and sustained the same.
    """
    onset = start + np.cumsum(fields[:, STEP]) * CELL
    seconds = (fields[:, DURATION] * CELL).astype(np.float32)
    return pd.DataFrame(
        {
            "start": onset,
            "step": np.diff(onset, prepend=onset[:1]).astype(np.float32),
            "duration": seconds,
            "sustained": seconds,
            "pitch": (fields[:, PITCH] + LOWEST_PITCH).astype(np.uint8),
            "velocity": (fields[:, VELOCITY] * 4 + 2).astype(np.uint8),
        }
    )


def remaining(fields: np.ndarray) -> np.ndarray:
    """Cells that each of the RECENT notes before a note, the nearest first, still sounds at that note's onset.

    Shape (notes, RECENT), int16; -1 where the earlier note has ended or there is none, 0 where it ends at the onset.
    """
    onset = _onset(fields)
    end = onset + fields[:, DURATION]
    left = np.full((len(fields), RECENT), -1, np.int16)
    for back in range(1, min(RECENT, len(fields) - 1) + 1):
        left[back:, back - 1] = np.clip(end[:-back] - onset[back:], -1, DURATION_CELLS)
    return left


def elapsed(fields: np.ndarray) -> np.ndarray:
    """Cells from the onset of each of the RECENT notes before a note, the nearest first, to that note's onset.

    Shape (notes, RECENT), int16, at most STEP_CELLS - 1; -1 where there is no such note.
    """
    onset = _onset(fields)
    passed = np.full((len(fields), RECENT), -1, np.int16)
    for back in range(1, min(RECENT, len(fields) - 1) + 1):
        passed[back:, back - 1] = np.minimum(onset[back:] - onset[:-back], STEP_CELLS - 1)
    return passed


def keyboard(fields: np.ndarray, first: int = 0) -> np.ndarray:
    """What each key's last note before a note was, as seen from that note's onset, for the notes from `first` on.

    Int16, shape (notes - first, 4, KEYS):

    LEFT      cells until it ends, -LONG_AGO..DURATION_CELLS; below 0 it ended so long ago
    SINCE     cells since it was struck, 0..DURATION_CELLS
    LOUDNESS  its velocity bin, counted from 1
    LENGTH    its duration in cells

    A key that has not been struck yet is as in UNTOUCHED.
    """
    onset = _onset(fields)
    never = -(LONG_AGO + DURATION_CELLS)  # before all music, by more than LEFT and SINCE can tell
    # Place 0 stands for no note, place i for note i - 1.
    struck = np.concatenate([[never], onset[:-1]]).astype(np.int32)
    ended = np.concatenate([[never], (onset + fields[:, DURATION])[:-1]]).astype(np.int32)
    place = np.arange(len(fields))
    last = np.zeros((len(fields) - first, KEYS), np.int32)
    if first:
        np.maximum.at(last[0], fields[:first, PITCH], place[1 : first + 1])
    last[place[1 : len(last)], fields[first:-1, PITCH]] = place[first + 1 :]
    np.maximum.accumulate(last, axis=0, out=last)
    onset = onset[first:, None]
    keys = np.empty((len(last), 4, KEYS), np.int16)
    keys[:, LEFT] = np.clip(ended[last] - onset, -LONG_AGO, DURATION_CELLS)
    keys[:, SINCE] = np.minimum(onset - struck[last], DURATION_CELLS)
    keys[:, LOUDNESS] = np.concatenate([[0], fields[:-1, VELOCITY] + 1]).astype(np.int16)[last]
    keys[:, LENGTH] = np.concatenate([[0], fields[:-1, DURATION]]).astype(np.int16)[last]
    return keys


def _onset(fields: np.ndarray) -> np.ndarray:
    return np.cumsum(fields[:, STEP], dtype=np.int32)


def transpose(fields: np.ndarray, semitones: int) -> np.ndarray:
    """`fields` moved up by `semitones`, which must leave every note on the keyboard (see `transpositions`)."""
    moved = fields.copy()
    moved[:, PITCH] += semitones
    return moved


def transpositions(fields: np.ndarray, most: int) -> tuple[int, int]:
    """The lowest and highest transposition of at most `most` semitones that keep every note on the keyboard."""
    if not len(fields):
        return 0, 0
    return max(-most, -int(fields[:, PITCH].min())), min(most, KEYS - 1 - int(fields[:, PITCH].max()))
