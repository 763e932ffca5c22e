"""Notes of one pitch that begin together or overlap: a piano has one string for each."""

import numpy as np


def sort_and_deduplicate(
    onset: np.ndarray, pitch: np.ndarray, velocity: np.ndarray, *offsets: np.ndarray
) -> np.ndarray:
    """Return the rows to keep, sorted by onset, then pitch.

    Of notes with the same onset and pitch only the loudest is kept; of equally loud ones the one with the latest of the
    first `offsets`, then of the second.

    Args:
        onset: ticks, int64, shape (notes,).
        pitch: 0 to 127, uint8, shape (notes,).
        velocity: uint8, shape (notes,).
        offsets: ticks, int64, shape (notes,) each.
    """
    onset_and_pitch = onset * 128 + pitch
    rows = np.argsort(onset_and_pitch, kind="stable")
    if (np.diff(onset_and_pitch[rows]) == 0).any():
        latest_first = (-offset for offset in reversed(offsets))
        rows = np.lexsort((*latest_first, -velocity.astype(np.int64), onset_and_pitch))
        rows = rows[np.append(True, np.diff(onset_and_pitch[rows]) > 0)]
    return rows


def next_onset(onset: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    """Return the next onset of the same pitch for notes in order of onset; the largest int64 where there is none."""
    rows = np.argsort(pitch, kind="stable")
    following = np.full(len(onset), np.iinfo(np.int64).max)
    same_pitch = pitch[rows[1:]] == pitch[rows[:-1]]
    following[rows[:-1][same_pitch]] = onset[rows[1:][same_pitch]]
    return following


def trim_overlaps(
    onset: np.ndarray, offset: np.ndarray, pitch: np.ndarray, velocity: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Make notes that can be written on one channel, where a note-off ends all notes of its key.

    Every note lasts at least one tick, and ends at the latest at the next onset of its pitch. Of notes with the same
    onset and pitch the loudest is kept.

    Args:
        onset: ticks, int64, shape (notes,), in any order.
        offset: ticks, int64, shape (notes,).
        pitch: uint8, shape (notes,).
        velocity: uint8, shape (notes,).

    Returns:
        The same four, sorted by onset, then pitch.
    """
    offset = np.maximum(offset, onset + 1)
    rows = sort_and_deduplicate(onset, pitch, velocity, offset)
    onset, offset, pitch, velocity = onset[rows], offset[rows], pitch[rows], velocity[rows]
    return onset, np.minimum(offset, next_onset(onset, pitch)), pitch, velocity
