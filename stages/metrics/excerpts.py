"""Excerpts: runs of successive notes of equal number, cut out of whole pieces."""

import numpy as np
import pandas as pd

from stages.representation.note_table import sort_notes


def take_excerpts(notes: pd.DataFrame, max_excerpts: int, length: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Cut non-overlapping excerpts out of all pieces of a note table, evenly spaced.

    Args:
        notes: a note table.
        max_excerpts: the number of excerpts; fewer are returned if the music has no more.
        length: the notes of an excerpt, >= 1; shorter pieces are excerpts as a whole.

    Returns:
        A note table in which each excerpt is a piece, numbered from 0, that begins at 0 s; and for each excerpt the
        piece of `notes` that it comes from, shape (excerpts,).
    """
    piece = notes["piece"].to_numpy()
    piece_starts, piece_sizes = _piece_bounds(piece)
    starts = np.sort(np.concatenate([excerpt_starts(piece, length), piece_starts[piece_sizes < length]]))
    starts = evenly_spaced(starts, max_excerpts)
    lengths = np.minimum(np.searchsorted(piece, piece[starts], side="right") - starts, length)
    excerpt = np.repeat(np.arange(len(starts), dtype=np.int32), lengths)
    table = notes.take(starts[excerpt] + _index_within(lengths))
    start = table["start"].to_numpy() - notes["start"].to_numpy()[starts][excerpt]
    return sort_notes(table.assign(piece=excerpt, start=start)), piece[starts]


def excerpt_starts(piece: np.ndarray, length: int) -> np.ndarray:
    """Return where excerpts begin if each piece is cut into as many adjacent ones as fit, centred in the piece.

    Args:
        piece: the column `piece` of a table that is sorted by it, shape (notes,).
        length: the notes of an excerpt; 0 gives no excerpts.

    Returns:
        The first row of each excerpt, ascending, int64, shape (excerpts,).
    """
    if length < 1:
        return np.zeros(0, np.int64)
    piece_starts, piece_sizes = _piece_bounds(piece)
    counts = piece_sizes // length
    first_starts = piece_starts + (piece_sizes - counts * length) // 2
    return np.repeat(first_starts, counts) + _index_within(counts) * length


def evenly_spaced(values: np.ndarray, max_values: int) -> np.ndarray:
    """Return `max_values` of the values, evenly spaced by index, or all of them if there are no more."""
    if len(values) <= max_values:
        return values
    return values[(np.arange(max_values) * len(values) + len(values) // 2) // max_values]


def _piece_bounds(piece: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # The first row and the number of rows of each piece.
    starts = np.flatnonzero(np.diff(piece, prepend=-1))
    return starts, np.diff(starts, append=len(piece))


def _index_within(sizes: np.ndarray) -> np.ndarray:
    # 0, 1, ..., size - 1 for each of the sizes, concatenated.
    return np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
