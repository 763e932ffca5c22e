"""What the network is fed: windows of many pieces side by side, each lane reading its pieces from beginning to end.

A lane's state is carried from one window to the next and reset where a piece begins, so a piece always begins at a
window's beginning; after its end the window is filled up with pads.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np

from stages.model import history
from stages.representation.grid_encoding import NUM_KEYS, PITCH

PAD_PITCH = NUM_KEYS  # stands in the pitch column of what is not a note: before a piece begins and after it ends

# A row's columns: a note's four fields (music.encoding), then what can be told of the past at its onset.
REMAINING = slice(4, 4 + history.NUM_RECENT)  # encoding.remaining
ELAPSED = slice(REMAINING.stop, REMAINING.stop + history.NUM_RECENT)  # encoding.elapsed
KEYBOARD = slice(ELAPSED.stop, ELAPSED.stop + 4 * NUM_KEYS)  # encoding.keyboard, plane after plane
ROW_SIZE = KEYBOARD.stop

BUFFER_NOTES = (
    1024  # notes, or a few more, whose rows a lane makes at a time: the rows of 128 whole pieces fill half a GB
)


@dataclass(frozen=True)
class PieceSource:
    """A piece to be read: who it is, its length in notes, and how to come by its fields (see music.encoding)."""

    key: int
    notes: int
    fields: Callable[[], np.ndarray]


@dataclass(frozen=True)
class WindowBatch:
    """One step of all lanes.

    rows: int16, shape (lanes, 1 + window + lookahead, COLUMNS): the note before the window, the window, and what comes
        after it.
    reset: bool, shape (lanes,): the window begins a piece.
    piece: int, shape (lanes,): the piece's key, -1 for a lane that has run out of pieces.
    """

    rows: np.ndarray
    reset: np.ndarray
    piece: np.ndarray


def note_rows(fields: np.ndarray, first: int = 0) -> np.ndarray:
    """The rows of a piece's notes from `first` on, given all its fields: int16, shape (notes - first, COLUMNS)."""
    rows = np.empty((len(fields) - first, ROW_SIZE), np.int16)
    near = fields[max(first - history.NUM_RECENT, 0) :]
    rows[:, :4] = fields[first:]
    rows[:, REMAINING] = history.remaining_frames(near)[len(near) - len(rows) :]
    rows[:, ELAPSED] = history.elapsed_frames(near)[len(near) - len(rows) :]
    rows[:, KEYBOARD] = history.keyboard_state(fields, first).reshape(len(rows), 4 * NUM_KEYS)
    return rows


def padding_rows(shape: tuple[int, ...]) -> np.ndarray:
    """Rows that are no notes, shape (*shape, COLUMNS), int16."""
    rows = np.zeros((*shape, ROW_SIZE), np.int16)
    rows[..., PITCH] = PAD_PITCH
    rows[..., REMAINING] = rows[..., ELAPSED] = -1
    rows[..., KEYBOARD] = history.UNPLAYED_KEYS.ravel()
    return rows


class _BatchSlot:
    def __init__(self) -> None:
        self.piece: PieceSource | None = None
        self.at = 0  # first note of the next window
        self.fields: np.ndarray | None = None  # of the whole piece, once they are asked for
        self.rows = padding_rows((0,))  # of the notes `begin` and after
        self.begin = 0

    def take(self, piece: PieceSource, at: int = 0) -> None:
        self.piece, self.at, self.fields, self.rows, self.begin = piece, at, None, padding_rows((0,)), at

    @property
    def done(self) -> bool:
        return self.piece is None or self.at >= self.piece.notes

    def read(self, length: int) -> np.ndarray:
        """The rows from the one before `at` on, `length` of them as far as the piece goes."""
        first, end = self.at - 1, min(self.at - 1 + length, self.piece.notes)
        if end > self.begin + len(self.rows):
            if self.fields is None:
                self.fields = self.piece.fields()
            known = max(first, 0)
            made = note_rows(self.fields[: max(known + BUFFER_NOTES, end)], known)
            self.rows, self.begin = (made if first == known else np.concatenate([padding_rows((1,)), made])), first
        return self.rows[first - self.begin : end - self.begin]


def window_batches(
    pieces: Iterable[PieceSource],
    lanes: int,
    window: int,
    lookahead: int,
    skip: int = 0,
    begin: Callable[[int], float] | None = None,
) -> Iterator[WindowBatch]:
    """Read `pieces` in the order given, each taken by the next lane that is free, until all are read.

    skip: leave out so many steps, cheaply: the fields of pieces that only they need are never made.
    begin: for a lane's number, the share of its first piece to leave out, so that lanes are not all at a beginning.
    """
    supply = (piece for piece in pieces if piece.notes)
    row = [_BatchSlot() for _ in range(lanes)]
    for step in count():
        reset = np.zeros(lanes, bool)
        for number, lane in enumerate(row):
            if not lane.done:
                continue
            lane.piece = None
            if (piece := next(supply, None)) is not None:
                at = int(begin(number) * -(-piece.notes // window)) * window if begin and step == 0 else 0
                lane.take(piece, at)
                reset[number] = True
        if all(lane.done for lane in row):
            return
        if step >= skip:
            rows = padding_rows((lanes, 1 + window + lookahead))
            for number, lane in enumerate(row):
                if not lane.done:
                    part = lane.read(rows.shape[1])
                    rows[number, : len(part)] = part
                    if reset[number]:
                        rows[number, 0] = padding_rows(())
            yield WindowBatch(rows, reset, np.array([-1 if lane.done else lane.piece.key for lane in row]))
        for lane in row:
            lane.at += window
