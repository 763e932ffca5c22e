"""Stateful batching: each batch row reads one piece window by window.

The LSTM state of a batch row is carried from one window to the next and reset where a piece begins. So a piece always
begins at the beginning of a window, and the window in which it ends is filled up with padding rows.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from stages.model.history import (
    NUM_RECENT,
    PAD_PITCH,
    UNPLAYED_KEYS,
    keyboard_state_at,
    note_rows,
    padding_rows,
)
from stages.representation.grid_encoding import PITCH

# Notes for which a slot computes rows at a time. The rows of 128 whole pieces would take half a gigabyte.
BUFFER_NOTES = 1024


@dataclass(frozen=True)
class PieceSource:
    """A piece that can be read when it is needed.

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
    """One window of every batch row, as note rows.

    Attributes:
        rows: int16, shape (batch_size, 1 + seq_len + lookahead, ROW_SIZE): the note before the window, the window, and
            the notes after it.
        reset: bool, shape (batch_size,): True where the window begins a piece.
        piece: int, shape (batch_size,): key of the piece; -1 for a batch row for which no pieces are left.
    """

    rows: np.ndarray
    reset: np.ndarray
    piece: np.ndarray


@dataclass(frozen=True)
class FieldBatch:
    """One window of every batch row, as what row_expansion.expand_rows makes note rows of.

    Attributes:
        fields: int16, shape (batch_size, NUM_RECENT + 1 + seq_len + lookahead, 4).
        keyboard: int16, shape (batch_size, KEY_FEATURES, NUM_KEYS).
        reset: See WindowBatch. Where it is True, WindowBatch has padding in place of the note before the window.
        piece: See WindowBatch.
    """

    fields: np.ndarray
    keyboard: np.ndarray
    reset: np.ndarray
    piece: np.ndarray


@dataclass(frozen=True)
class _Window:
    source: PieceSource
    position: int  # its first note
    reset: bool


_NO_PIECE = PieceSource(-1, 0, lambda: np.zeros((0, 4), np.int32))


class _RowReader:
    """Read the windows of one batch row as note rows."""

    def __init__(self) -> None:
        self._source = _NO_PIECE
        self._fields: np.ndarray | None = None  # of the whole piece, loaded when they are first needed
        self._buffer = padding_rows((0,))
        self._buffer_start = 0  # the note that the first row of the buffer belongs to

    def fill(self, rows: np.ndarray, window: _Window) -> None:
        """Write the note before the window, the window and what follows it into padding rows."""
        if window.source is not self._source:
            self._source, self._fields = window.source, None
            self._buffer, self._buffer_start = padding_rows((0,)), window.position
        if window.position >= window.source.num_notes:
            return
        known = self._read(window.position - 1, len(rows))
        rows[: len(known)] = known
        if window.reset:
            rows[0] = padding_rows(())

    def _read(self, start: int, length: int) -> np.ndarray:
        # At most `length` rows from note `start` on, up to the end of the piece.
        end = min(start + length, self._source.num_notes)
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


class _FieldReader:
    """Read the windows of one batch row as fields and the state of the keys."""

    def __init__(self, seq_len: int) -> None:
        self._seq_len = seq_len
        self._source = _NO_PIECE
        self._first = 0  # the position of the first window of the piece that is read
        self._fields = np.zeros((0, 4), np.int16)  # after NUM_RECENT + 1 notes of padding
        self._keyboards = UNPLAYED_KEYS[None]  # at the note before each window

    def fill(self, fields: np.ndarray, keyboard: np.ndarray, window: _Window) -> None:
        """Write fields over padding, and the state of the keys at the note before the window."""
        if window.position >= window.source.num_notes:
            return
        if window.source is not self._source:
            self._load(window)
        known = self._fields[window.position : window.position + len(fields)]
        fields[: len(known)] = known
        keyboard[:] = self._keyboards[(window.position - self._first) // self._seq_len]

    def _load(self, window: _Window) -> None:
        self._source, self._first = window.source, window.position
        fields = window.source.load_fields()
        self._fields = np.concatenate([_padding_fields((NUM_RECENT + 1,)), fields.astype(np.int16)])
        notes_before = np.arange(window.position, len(fields), self._seq_len) - 1
        self._keyboards = keyboard_state_at(fields, np.maximum(notes_before, 0))


def _padding_fields(shape: tuple[int, ...]) -> np.ndarray:
    fields = np.zeros((*shape, 4), np.int16)
    fields[..., PITCH] = PAD_PITCH
    return fields


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
    readers = [_RowReader() for _ in range(batch_size)]
    for windows in islice(_schedule(pieces, batch_size, seq_len, start_fractions), skip, None):
        rows = padding_rows((batch_size, 1 + seq_len + lookahead))
        for reader, window, window_rows in zip(readers, windows, rows, strict=True):
            reader.fill(window_rows, window)
        yield WindowBatch(rows, *_describe(windows))


def field_batches(
    pieces: Iterable[PieceSource],
    batch_size: int,
    seq_len: int,
    lookahead: int,
    skip: int = 0,
    start_fractions: Sequence[float] | np.ndarray | None = None,
) -> Iterator[FieldBatch]:
    """Yield the same windows as window_batches, in a form that is much smaller."""
    readers = [_FieldReader(seq_len) for _ in range(batch_size)]
    for windows in islice(_schedule(pieces, batch_size, seq_len, start_fractions), skip, None):
        fields = _padding_fields((batch_size, NUM_RECENT + 1 + seq_len + lookahead))
        keyboard = np.tile(UNPLAYED_KEYS, (batch_size, 1, 1))
        for row, (reader, window) in enumerate(zip(readers, windows, strict=True)):
            reader.fill(fields[row], keyboard[row], window)
        yield FieldBatch(fields, keyboard, *_describe(windows))


def _describe(windows: Sequence[_Window]) -> tuple[np.ndarray, np.ndarray]:
    # `reset` and `piece` of a batch.
    return np.array([window.reset for window in windows]), np.array([window.source.key for window in windows])


def _schedule(
    pieces: Iterable[PieceSource],
    batch_size: int,
    seq_len: int,
    start_fractions: Sequence[float] | np.ndarray | None,
) -> Iterator[list[_Window]]:
    # The windows of each batch, one for each batch row.
    sources = (piece for piece in pieces if piece.num_notes)
    windows = [
        _first_window(next(sources, _NO_PIECE), seq_len, 0 if start_fractions is None else start_fractions[row])
        for row in range(batch_size)
    ]
    while any(window.source is not _NO_PIECE for window in windows):
        yield windows
        windows = [_next_window(window, sources, seq_len) for window in windows]


def _first_window(source: PieceSource, seq_len: int, start_fraction: float = 0.0) -> _Window:
    num_windows = -(-source.num_notes // seq_len)
    return _Window(source, int(start_fraction * num_windows) * seq_len, source is not _NO_PIECE)


def _next_window(window: _Window, sources: Iterator[PieceSource], seq_len: int) -> _Window:
    position = window.position + seq_len
    if position < window.source.num_notes:
        return _Window(window.source, position, False)
    return _first_window(next(sources, _NO_PIECE), seq_len)
