"""Stateful batching: each batch row reads one piece window by window.

The LSTM state of a batch row is carried from one window to the next and reset where a piece begins. So a piece always
begins at the beginning of a window, and the window in which it ends is filled up with padding rows.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stages.model.history import note_rows, padding_rows

# Notes for which a slot computes rows at a time. The rows of 128 whole pieces would take half a gigabyte.
BUFFER_NOTES = 1024


@dataclass(frozen=True)
class PieceSource:
    """Describe a piece that can be read when it is needed.

    Attributes:
        key: Identifier of the piece, at least 0.
        num_notes: Length of the piece.
        load_fields: Returns its notes on the grid, int32, shape (num_notes, 4).
    """

    key: int
    num_notes: int
    load_fields: Callable[[], np.ndarray]


@dataclass(frozen=True)
class WindowBatch:
    """Hold one window of every batch row.

    Attributes:
        rows: int16, shape (batch_size, 1 + seq_len + lookahead, ROW_SIZE): the note before the window, the window, and
            the notes after it.
        reset: bool, shape (batch_size,): True where the window begins a piece.
        piece: int, shape (batch_size,): key of the piece; -1 for a batch row for which no pieces are left.
    """

    rows: np.ndarray
    reset: np.ndarray
    piece: np.ndarray


_NO_PIECE = PieceSource(-1, 0, lambda: np.zeros((0, 4), np.int32))


class _BatchSlot:
    """Read one piece after the other for one batch row."""

    def __init__(self) -> None:
        self._source = _NO_PIECE
        self._position = 0  # first note of the next window
        self._fields: np.ndarray | None = None  # of the whole piece, loaded when they are first needed
        self._buffer = padding_rows((0,))
        self._buffer_start = 0  # the note that the first row of the buffer belongs to

    @property
    def done(self) -> bool:
        return self._position >= self._source.num_notes

    @property
    def piece(self) -> int:
        return self._source.key

    def assign(self, source: PieceSource, position: int) -> None:
        self._source, self._position, self._fields = source, position, None
        self._buffer, self._buffer_start = padding_rows((0,)), position

    def advance(self, seq_len: int) -> None:
        self._position += seq_len

    def fill(self, window: np.ndarray, reset: bool) -> None:
        """Write the note before the window, the window and what follows it into padding rows."""
        if self.done:
            return
        rows = self._read(len(window))
        window[: len(rows)] = rows
        if reset:
            window[0] = padding_rows(())

    def _read(self, length: int) -> np.ndarray:
        # At most `length` rows from the note before the window on, up to the end of the piece.
        start, end = self._position - 1, min(self._position - 1 + length, self._source.num_notes)
        if end > self._buffer_start + len(self._buffer):
            self._refill(start, end)
        return self._buffer[start - self._buffer_start : end - self._buffer_start]

    def _refill(self, start: int, end: int) -> None:
        if self._fields is None:
            self._fields = self._source.load_fields()
        first = max(start, 0)
        rows = note_rows(self._fields[: max(first + BUFFER_NOTES, end)], first)
        self._buffer = rows if start == first else np.concatenate([padding_rows((1,)), rows])
        self._buffer_start = start


def window_batches(
    pieces: Iterable[PieceSource],
    batch_size: int,
    seq_len: int,
    lookahead: int,
    skip: int = 0,
    start_fractions: Sequence[float] | np.ndarray | None = None,
) -> Iterator[WindowBatch]:
    """Yield windows of `pieces` until all pieces are read to their ends.

    Args:
        pieces: Read in this order; each goes to the next batch row that is free. Those without notes are left out.
        batch_size: Pieces that are read in parallel.
        seq_len: Notes of a window.
        lookahead: Notes after the window that each batch holds as well.
        skip: Batches to leave out at the beginning. The fields of pieces that only they need are never loaded.
        start_fractions: For each batch row, the fraction (0..1) of its first piece to leave out, so that batch rows do
            not all begin a piece at the same time.

    Yields:
        One window of every batch row at a time.
    """
    sources = (piece for piece in pieces if piece.num_notes)
    slots = [_BatchSlot() for _ in range(batch_size)]
    number = 0
    while True:
        reset = _assign_free_slots(slots, sources, seq_len, start_fractions if number == 0 else None)
        if all(slot.done for slot in slots):
            return
        if number >= skip:
            rows = padding_rows((batch_size, 1 + seq_len + lookahead))
            for slot, window, begins in zip(slots, rows, reset, strict=True):
                slot.fill(window, begins)
            yield WindowBatch(rows, reset, np.array([slot.piece for slot in slots]))
        for slot in slots:
            slot.advance(seq_len)
        number += 1


def _assign_free_slots(
    slots: Sequence[_BatchSlot],
    sources: Iterator[PieceSource],
    seq_len: int,
    start_fractions: Sequence[float] | np.ndarray | None,
) -> np.ndarray:
    # Returns a bool for each slot: True where a piece was assigned.
    reset = np.zeros(len(slots), bool)
    for index, slot in enumerate(slots):
        if not slot.done:
            continue
        source = next(sources, _NO_PIECE)
        num_windows = -(-source.num_notes // seq_len)
        position = 0 if start_fractions is None else int(start_fractions[index] * num_windows) * seq_len
        slot.assign(source, position)
        reset[index] = source is not _NO_PIECE
    return reset
