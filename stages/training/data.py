"""Training batches."""

from collections.abc import Callable, Iterator
from itertools import count

import numpy as np

from stages.model.batching import PieceSource, window_batches
from stages.training import augmentation


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

    def order() -> Iterator[PieceSource]:
        for turn in count():
            for number in np.random.default_rng((seed, 0, turn)).permutation(len(pieces)):
                yield PieceSource(int(number), lengths[number], lambda turn=turn, number=number: varied(turn, number))

    def varied(turn: int, number: int) -> np.ndarray:
        random = np.random.default_rng((seed, 1, turn, number))
        fields = pieces[number](float(np.exp(random.uniform(-1, 1) * np.log1p(stretch))))
        low, high = augmentation.transposition_range(fields, transpose)
        return augmentation.transpose(fields, int(random.integers(low, high + 1)))

    gaps = np.arange(1, longest_gap + 1)
    likely = gaps**-0.5 / np.sum(gaps**-0.5)
    offsets = np.random.default_rng((seed, 2)).random(streams)
    steps = window_batches(order(), streams, window, longest_gap, skip, lambda lane: offsets[lane])
    for step, batch in enumerate(steps, start=skip):
        random = np.random.default_rng((seed, 3, step))
        yield {
            "rows": batch.rows,
            "reset": batch.reset,
            "gap": random.choice(gaps, infill_streams, p=likely).astype(np.int32),
        }
