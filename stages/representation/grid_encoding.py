"""Notes as four integers on a grid of 10 ms frames, and back: the only module that knows frames, bins and their widths.

A performance is an int32 array of shape (notes, 4). A row is a note; rows are sorted by onset frame and, within a
frame, by pitch. The columns are

    STEP      frames since the previous onset, 0..STEP_FRAMES - 1; 0 for the first note
    PITCH     key, 0..87 (MIDI note number - 21)
    DURATION  frames from key down to the end of the sound (the sounding duration), 1..DURATION_FRAMES
    VELOCITY  velocity bin, 0..31

Models do not predict long times to the frame. Steps and durations are grouped in bins: single frames where hearing is
precise, then geometrically wider ones. The likelihood of a frame is that of its bin divided by the bin's width in
frames.
"""

import numpy as np
import pandas as pd

FRAME_SECONDS = 0.01
"""The time resolution of Performance RNN and Music Transformer, with whose likelihoods ours are compared."""

FIELDS = ("step", "pitch", "duration", "velocity")
STEP, PITCH, DURATION, VELOCITY = range(4)

LOWEST_PITCH, NUM_KEYS = 21, 88
VELOCITY_BINS = 32
VELOCITY_BIN_WIDTH = 4

STEP_FRAMES = 1001
"""Number of possible steps; those of more than 10 s are clipped to 10 s."""

DURATION_FRAMES = 3000
"""The longest duration; those of more than 30 s are clipped to 30 s."""


def _bin_edges(first: int, num_single: int, end: int, num_bins: int) -> np.ndarray:
    """Return the first frame of each bin, and `end`: `num_single` bins of one frame, then geometrically wider ones."""
    start = first + num_single
    wide = np.rint(np.geomspace(start, end, num_bins - num_single + 1)).astype(np.int32)
    edges = np.concatenate([np.arange(first, start, dtype=np.int32), wide])
    assert (np.diff(edges) >= 1).all()
    return edges


def _bin_of_frame(edges: np.ndarray, num_frames: int) -> np.ndarray:
    """Return the bin of each frame 0..num_frames - 1; frames before the first bin are in the first bin."""
    bins = np.searchsorted(edges, np.arange(num_frames), side="right") - 1
    return np.maximum(bins, 0).astype(np.int32)


STEP_EDGES = _bin_edges(0, 30, STEP_FRAMES, 64)
DURATION_EDGES = _bin_edges(1, 19, DURATION_FRAMES + 1, 88)
STEP_BINS, DURATION_BINS = len(STEP_EDGES) - 1, len(DURATION_EDGES) - 1
STEP_WIDTHS, DURATION_WIDTHS = np.diff(STEP_EDGES), np.diff(DURATION_EDGES)  # in frames
STEP_BIN = _bin_of_frame(STEP_EDGES, STEP_FRAMES)
# Padding rows have a duration of 0 frames, which is in the bin of the shortest.
DURATION_BIN = _bin_of_frame(DURATION_EDGES, DURATION_FRAMES + 1)


def encode(notes: pd.DataFrame, time_stretch: float = 1.0) -> np.ndarray:
    """Return one piece on the grid.

    Onsets and ends of sounds are rounded to frames, not the times between them. So errors do not add up, and notes that
    end together still do. Pitches off the keyboard move by octaves to its lowest or highest one.

    Args:
        notes: the piece's note table; of the times only `start` and `sounding_duration` are read.
        time_stretch: factor by which all times are multiplied.

    Returns:
        Fields, int32, shape (notes, 4); the columns are described above.
    """
    start = notes["start"].to_numpy(np.float64)
    end = start + notes["sounding_duration"].to_numpy(np.float64)
    frames_per_second = time_stretch / FRAME_SECONDS
    onset_frame = np.rint(start * frames_per_second).astype(np.int64)
    end_frame = np.rint(end * frames_per_second).astype(np.int64)
    key = _to_keyboard(notes["pitch"].to_numpy(np.int64) - LOWEST_PITCH)
    # The order within a frame is below the grid's resolution. By pitch it carries no information to be predicted.
    order = np.lexsort((key, onset_frame))
    onset_frame, end_frame = onset_frame[order], end_frame[order]
    fields = np.empty((len(notes), 4), np.int32)
    fields[:, STEP] = np.clip(np.diff(onset_frame, prepend=onset_frame[:1]), 0, STEP_FRAMES - 1)
    fields[:, PITCH] = key[order]
    fields[:, DURATION] = np.clip(end_frame - onset_frame, 1, DURATION_FRAMES)
    fields[:, VELOCITY] = notes["velocity"].to_numpy()[order] // VELOCITY_BIN_WIDTH
    return fields


def _to_keyboard(key: np.ndarray) -> np.ndarray:
    top_octave = NUM_KEYS - 12
    return np.where(key < 0, key % 12, np.where(key >= NUM_KEYS, top_octave + (key - NUM_KEYS) % 12, key))


def decode(fields: np.ndarray, start: float = 0.0) -> pd.DataFrame:
    """Return the note table (without `piece`) of one piece on the grid.

    Args:
        fields: as `encode` returns them, shape (notes, 4).
        start: the time in seconds from which the first step is counted.

    Returns:
        The note table. Times are whole frames, velocities the middle of their bin, and the two durations equal.
    """
    onset = start + np.cumsum(fields[:, STEP]) * FRAME_SECONDS
    duration = (fields[:, DURATION] * FRAME_SECONDS).astype(np.float32)
    velocity = fields[:, VELOCITY] * VELOCITY_BIN_WIDTH + VELOCITY_BIN_WIDTH // 2
    return pd.DataFrame(
        {
            "start": onset,
            "step": np.diff(onset, prepend=onset[:1]).astype(np.float32),
            "key_duration": duration,
            "sounding_duration": duration,
            "pitch": (fields[:, PITCH] + LOWEST_PITCH).astype(np.uint8),
            "velocity": velocity.astype(np.uint8),
        }
    )
