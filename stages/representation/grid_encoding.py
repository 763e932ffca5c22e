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

FRAME_SECONDS = (
    0.01  # seconds; the grid of Performance RNN and Music Transformer, whose likelihoods ours is compared with
)
FIELDS = ("step", "pitch", "duration", "velocity")
STEP, PITCH, DURATION, VELOCITY = range(4)

LOWEST_PITCH, NUM_KEYS = 21, 88
VELOCITY_BINS = 32
STEP_FRAMES = 1001  # steps of more than 10 s are cut to 10 s
DURATION_FRAMES = 3000  # durations of more than 30 s are cut to 30 s


def _edges(first: int, singles: int, end: int, bins: int) -> np.ndarray:
    # The first cell of each bin, and the end: `singles` bins of one cell from `first` on, then geometric ones.
    start = first + singles
    wide = np.rint(np.geomspace(start, end, bins - singles + 1)).astype(np.int32)
    edges = np.concatenate([np.arange(first, start, dtype=np.int32), wide])
    assert (np.diff(edges) >= 1).all()
    return edges


STEP_EDGES = _edges(0, 30, STEP_FRAMES, 64)
DURATION_EDGES = _edges(1, 19, DURATION_FRAMES + 1, 88)
STEP_BINS, DURATION_BINS = len(STEP_EDGES) - 1, len(DURATION_EDGES) - 1
STEP_WIDTHS, DURATION_WIDTHS = np.diff(STEP_EDGES), np.diff(DURATION_EDGES)  # in cells
# Lookups from a cell to its bin; a duration of no cells, which pads have, counts as the shortest.
STEP_BIN = np.searchsorted(STEP_EDGES, np.arange(STEP_FRAMES), side="right").astype(np.int32) - 1
DURATION_BIN = np.maximum(np.searchsorted(DURATION_EDGES, np.arange(DURATION_FRAMES + 1), side="right") - 1, 0).astype(
    np.int32
)


def encode(notes: pd.DataFrame, stretch: float = 1.0) -> np.ndarray:
    """Put one piece's note table on the grid, its times multiplied by `stretch`: int32, shape (notes, 4).

    Onsets and ends are rounded, not the times between them, so errors do not add up and notes that end together
    still do. Pitches off the 88 keys go to the nearest key an octave or more away.
    """
    start = notes["start"].to_numpy(np.float64)
    onset = np.rint(start * (stretch / FRAME_SECONDS)).astype(np.int64)
    end = np.rint((start + notes["sustained"].to_numpy(np.float64)) * (stretch / FRAME_SECONDS)).astype(np.int64)
    pitch = notes["pitch"].to_numpy(np.int64) - LOWEST_PITCH
    pitch = np.where(pitch < 0, pitch % 12, np.where(pitch >= NUM_KEYS, NUM_KEYS - 12 + (pitch - NUM_KEYS) % 12, pitch))
    # Order within a cell is below the grid's resolution; by pitch it costs the model nothing to know.
    order = np.lexsort((pitch, onset))
    onset, end, pitch = onset[order], end[order], pitch[order]
    fields = np.empty((len(notes), 4), np.int32)
    fields[:, STEP] = np.clip(np.diff(onset, prepend=onset[:1]), 0, STEP_FRAMES - 1)
    fields[:, PITCH] = pitch
    fields[:, DURATION] = np.clip(end - onset, 1, DURATION_FRAMES)
    fields[:, VELOCITY] = notes["velocity"].to_numpy()[order] // 4
    return fields


def decode(fields: np.ndarray, start: float = 0.0) -> pd.DataFrame:
    """The note table (without `piece`) of one piece on the grid, its first step counted from `start` seconds.

    Times are whole cells, velocities the middle of their bin, and duration and sustained the same.
    """
    onset = start + np.cumsum(fields[:, STEP]) * FRAME_SECONDS
    seconds = (fields[:, DURATION] * FRAME_SECONDS).astype(np.float32)
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
