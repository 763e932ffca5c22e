"""Stretches of music taken out of whole pieces."""

import numpy as np
import pandas as pd

from stages.representation.note_table import sort_notes


def take_excerpts(notes: pd.DataFrame, count: int, length: int) -> tuple[pd.DataFrame, np.ndarray]:
    """`count` stretches of `length` notes, evenly spread over all pieces of a note table, or as many as there are.

    Stretches do not overlap; pieces of less than `length` notes are taken whole. Returns a note table, in which each
    stretch is a piece, counted from 0, that begins at 0 s, and of each stretch the piece it was taken from.
    """
    piece = notes["piece"].to_numpy()
    begins = np.flatnonzero(np.diff(piece, prepend=-1))
    sizes = np.diff(begins, append=len(piece))
    starts = np.sort(np.concatenate([excerpt_starts(piece, length), begins[sizes < length]]))
    starts = evenly_spaced(starts, count)
    lengths = np.minimum(np.searchsorted(piece, piece[starts], side="right") - starts, length)
    number = np.repeat(np.arange(len(starts), dtype=np.int32), lengths)
    nth = np.arange(len(number)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    taken = notes.take(starts[number] + nth)
    start = taken["start"].to_numpy() - notes["start"].to_numpy()[starts][number]
    return sort_notes(taken.assign(piece=number, start=start)), piece[starts]


def excerpt_starts(piece: np.ndarray, length: int) -> np.ndarray:
    """Where excerpts of `length` notes begin: as many as fit into each piece, end to end, in its middle.

    `piece` is the column of a described table; the result, row numbers of that table, is sorted. There are none of
    length 0.
    """
    if length < 1:
        return np.zeros(0, np.int64)
    begins = np.flatnonzero(np.diff(piece, prepend=-1))
    sizes = np.diff(begins, append=len(piece))
    counts = sizes // length
    nth = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(begins + (sizes - counts * length) // 2, counts) + nth * length


def evenly_spaced(values: np.ndarray, most: int) -> np.ndarray:
    """`most` of the values, evenly spaced among them, or all if there are no more."""
    if len(values) <= most:
        return values
    return values[(np.arange(most) * len(values) + len(values) // 2) // most]
