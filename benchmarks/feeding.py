"""Training batches as the train stage makes them, of given pieces or of notes drawn at random."""

from collections.abc import Callable, Iterator

import numpy as np

from stages.training import data
from stages.utils import params

LENGTH = 5_000  # notes of a piece drawn at random


def of_pieces(
    params: params.Train, pieces: list[Callable[[float], np.ndarray]], lengths: list[int]
) -> Iterator[dict[str, np.ndarray]]:
    """Endless batches of pieces, given as `batches.training_batches` has them."""
    return data.training_batches(
        pieces,
        lengths,
        seed=1,
        streams=params.streams,
        window=params.window,
        infill_streams=round(params.infill_share * params.streams),
        longest_gap=params.longest_gap,
        transpose=params.transpose,
        stretch=params.stretch,
    )


def at_random(params: params.Train) -> Iterator[dict[str, np.ndarray]]:
    """The same batches for whoever asks: training takes no less time for music."""
    random = np.random.default_rng(1)
    # Step, pitch, duration, velocity.
    pieces = [random.integers([0, 0, 1, 0], [40, 88, 200, 32], (LENGTH, 4), np.int32) for _ in range(params.streams)]
    return of_pieces(params, [lambda _stretch, piece=piece: piece for piece in pieces], [LENGTH] * len(pieces))
