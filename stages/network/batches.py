"""What the network is fed: windows of many pieces side by side, each lane reading its pieces from beginning to end.

A lane's state is carried from one window to the next and reset where a piece begins, so a piece always begins at a
window's beginning; after its end the window is filled up with pads.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np

from stages.music import encoding
from stages.music.encoding import KEYS, PITCH

NO_NOTE = KEYS  # stands in the pitch column of what is not a note: before a piece begins and after it ends

# A row's columns: a note's four fields (music.encoding), then what can be told of the past at its onset.
REMAINING = slice(4, 4 + encoding.RECENT)  # encoding.remaining
ELAPSED = slice(REMAINING.stop, REMAINING.stop + encoding.RECENT)  # encoding.elapsed
KEYBOARD = slice(ELAPSED.stop, ELAPSED.stop + 4 * KEYS)  # encoding.keyboard, plane after plane
COLUMNS = KEYBOARD.stop

STRETCH = 1024  # notes, or a few more, whose rows a lane makes at a time: the rows of 128 whole pieces fill half a GB


@dataclass(frozen=True)
class Piece:
    """A piece to be read: who it is, its length in notes, and how to come by its fields (see music.encoding)."""

    key: int
    notes: int
    fields: Callable[[], np.ndarray]


@dataclass(frozen=True)
class Windows:
    """One step of all lanes.

    rows: int16, shape (lanes, 1 + window + lookahead, COLUMNS): the note before the window, the window, and what comes
        after it.
    reset: bool, shape (lanes,): the window begins a piece.
    piece: int, shape (lanes,): the piece's key, -1 for a lane that has run out of pieces.
    """

    rows: np.ndarray
    reset: np.ndarray
    piece: np.ndarray


def rows_of(fields: np.ndarray, first: int = 0) -> np.ndarray:
    """The rows of a piece's notes from `first` on, given all its fields: int16, shape (notes - first, COLUMNS)."""
    rows = np.empty((len(fields) - first, COLUMNS), np.int16)
    near = fields[max(first - encoding.RECENT, 0) :]
    rows[:, :4] = fields[first:]
    rows[:, REMAINING] = encoding.remaining(near)[len(near) - len(rows) :]
    rows[:, ELAPSED] = encoding.elapsed(near)[len(near) - len(rows) :]
    rows[:, KEYBOARD] = encoding.keyboard(fields, first).reshape(len(rows), 4 * KEYS)
    return rows


def pads(shape: tuple[int, ...]) -> np.ndarray:
    """Rows that are no notes, shape (*shape, COLUMNS), int16."""
    rows = np.zeros((*shape, COLUMNS), np.int16)
    rows[..., PITCH] = NO_NOTE
    rows[..., REMAINING] = rows[..., ELAPSED] = -1
    rows[..., KEYBOARD] = encoding.UNTOUCHED.ravel()
    return rows


class _Lane:
    def __init__(self) -> None:
        self.piece: Piece | None = None
        self.at = 0  # first note of the next window
        self.fields: np.ndarray | None = None  # of the whole piece, once they are asked for
        self.rows = pads((0,))  # of the notes `begin` and after
        self.begin = 0

    def take(self, piece: Piece, at: int = 0) -> None:
        self.piece, self.at, self.fields, self.rows, self.begin = piece, at, None, pads((0,)), at

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
            made = rows_of(self.fields[: max(known + STRETCH, end)], known)
            self.rows, self.begin = (made if first == known else np.concatenate([pads((1,)), made])), first
        return self.rows[first - self.begin : end - self.begin]


def windows(
    pieces: Iterable[Piece],
    lanes: int,
    window: int,
    lookahead: int,
    skip: int = 0,
    begin: Callable[[int], float] | None = None,
) -> Iterator[Windows]:
    """Read `pieces` in the order given, each taken by the next lane that is free, until all are read.

    skip: leave out so many steps, cheaply: the fields of pieces that only they need are never made.
    begin: for a lane's number, the share of its first piece to leave out, so that lanes are not all at a beginning.
    """
    supply = (piece for piece in pieces if piece.notes)
    row = [_Lane() for _ in range(lanes)]
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
            rows = pads((lanes, 1 + window + lookahead))
            for number, lane in enumerate(row):
                if not lane.done:
                    part = lane.read(rows.shape[1])
                    rows[number, : len(part)] = part
                    if reset[number]:
                        rows[number, 0] = pads(())
            yield Windows(rows, reset, np.array([-1 if lane.done else lane.piece.key for lane in row]))
        for lane in row:
            lane.at += window


def training_batches(
    pieces: list[Callable[[float], np.ndarray]],
    lengths: list[int],
    *,
    seed: int,
    streams: int,
    window: int,
    infill_streams: int,
    longest_gap: int,
    transpose: int,
    stretch: float,
    skip: int = 0,
) -> Iterator[dict[str, np.ndarray]]:
    """Endless training batches; what they hold follows from `seed` and the step's number alone.

    pieces: for each piece, its fields for a given stretch of time (`encoding.encode`); lengths: their notes.
    Every pass reads the pieces in a new order, each transposed by up to `transpose` semitones and stretched in time by
    up to the share `stretch`. Gaps are drawn from 1..longest_gap with probability proportional to 1/sqrt(gap).

    A batch is {"rows": see Windows, "reset": bool (streams,), "gap": int32 (infill_streams,)}, a gap for each of the
    streams that also learn to fill in.
    """

    def order() -> Iterator[Piece]:
        for turn in count():
            for number in np.random.default_rng((seed, 0, turn)).permutation(len(pieces)):
                yield Piece(int(number), lengths[number], lambda turn=turn, number=number: varied(turn, number))

    def varied(turn: int, number: int) -> np.ndarray:
        random = np.random.default_rng((seed, 1, turn, number))
        fields = pieces[number](float(np.exp(random.uniform(-1, 1) * np.log1p(stretch))))
        low, high = encoding.transpositions(fields, transpose)
        return encoding.transpose(fields, int(random.integers(low, high + 1)))

    gaps = np.arange(1, longest_gap + 1)
    likely = gaps**-0.5 / np.sum(gaps**-0.5)
    offsets = np.random.default_rng((seed, 2)).random(streams)
    steps = windows(order(), streams, window, longest_gap, skip, lambda lane: offsets[lane])
    for step, batch in enumerate(steps, start=skip):
        random = np.random.default_rng((seed, 3, step))
        yield {
            "rows": batch.rows,
            "reset": batch.reset,
            "gap": random.choice(gaps, infill_streams, p=likely).astype(np.int32),
        }
