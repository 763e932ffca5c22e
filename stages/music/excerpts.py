"""Stretches of music taken out of whole pieces."""

import numpy as np
import pandas as pd

from stages.music import statistics
from stages.music.notes import arrange


def take_out(notes: pd.DataFrame, count: int, length: int) -> tuple[pd.DataFrame, np.ndarray]:
    """`count` stretches of `length` notes, evenly spread over all pieces of a note table, or as many as there are.

    Stretches do not overlap; pieces of less than `length` notes are taken whole. Returns a note table, in which each
    stretch is a piece, counted from 0, that begins at 0 s, and of each stretch the piece it was taken from.
    """
    piece = notes["piece"].to_numpy()
    begins = np.flatnonzero(np.diff(piece, prepend=-1))
    sizes = np.diff(begins, append=len(piece))
    starts = np.sort(np.concatenate([statistics.windows(piece, length), begins[sizes < length]]))
    starts = statistics.evenly(starts, count)
    lengths = np.minimum(np.searchsorted(piece, piece[starts], side="right") - starts, length)
    number = np.repeat(np.arange(len(starts), dtype=np.int32), lengths)
    nth = np.arange(len(number)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    taken = notes.take(starts[number] + nth)
    start = taken["start"].to_numpy() - notes["start"].to_numpy()[starts][number]
    return arrange(taken.assign(piece=number, start=start)), piece[starts]
