"""Excerpts: runs of successive notes of equal number, cut out of whole pieces."""

import numpy as np
import pandas as pd

from stages.representation.note_table import NOTE_SCHEMA, sort_notes
from stages.representation.stored_notes import StoredNotes


def take_excerpts(notes: StoredNotes, max_excerpts: int, length: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Cut non-overlapping excerpts out of all pieces of a note table, evenly spaced.

    Args:
        notes: a note table, with all columns but `piece`; only pieces with excerpts are read.
        max_excerpts: the number of excerpts; fewer are returned if the music has no more.
        length: the notes of an excerpt, >= 1; shorter pieces are excerpts as a whole.

    Returns:
        A note table in which each excerpt is a piece, numbered from 0, that begins at 0 s; and for each excerpt the
        piece of `notes` that it comes from, shape (excerpts,).
    """
    numbers, sizes = (np.array(list(values), np.int64) for values in (notes.num_notes, notes.num_notes.values()))
    first_rows = np.cumsum(sizes) - sizes
    starts = np.sort(np.concatenate([_adjacent(first_rows, sizes, length), first_rows[sizes < length]]))
    starts = evenly_spaced(starts, max_excerpts)
    index = np.searchsorted(first_rows, starts, side="right") - 1
    tables = [NOTE_SCHEMA.empty_table().to_pandas()] if not len(starts) else []
    for number, piece, row in zip(range(len(starts)), numbers[index], starts - first_rows[index], strict=True):
        table = notes.read(piece)[row : row + length]
        tables.append(table.assign(piece=np.int32(number), start=table["start"] - table["start"].iloc[0]))
    return sort_notes(pd.concat(tables)), numbers[index]


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
    first_rows = np.flatnonzero(np.diff(piece, prepend=-1))
    return _adjacent(first_rows, np.diff(first_rows, append=len(piece)), length)


def _adjacent(first_rows: np.ndarray, sizes: np.ndarray, length: int) -> np.ndarray:
    # The first row of each excerpt of pieces, given the first row of each and its number of notes.
    counts = sizes // length
    first_starts = first_rows + (sizes - counts * length) // 2
    index_in_piece = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(first_starts, counts) + index_in_piece * length


def evenly_spaced(values: np.ndarray, max_values: int) -> np.ndarray:
    """Return `max_values` of the values, evenly spaced by index, or all of them if there are no more."""
    if len(values) <= max_values:
        return values
    return values[(np.arange(max_values) * len(values) + len(values) // 2) // max_values]
