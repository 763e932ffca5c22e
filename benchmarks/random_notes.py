"""Training batches of notes drawn at random, the same for whoever asks: training takes no less time for music."""

from collections.abc import Iterator

import numpy as np

from stages import settings
from stages.network import batches

LENGTH = 5_000  # notes of a piece


def training_batches(params: settings.Train) -> Iterator[dict[str, np.ndarray]]:
    """Endless batches, as the train stage makes them of real pieces."""
    random = np.random.default_rng(1)
    # Step, pitch, duration, velocity.
    pieces = [random.integers([0, 0, 1, 0], [40, 88, 200, 32], (LENGTH, 4), np.int32) for _ in range(params.streams)]
    return batches.training_batches(
        [lambda _stretch, piece=piece: piece for piece in pieces],
        [LENGTH] * len(pieces),
        seed=1,
        streams=params.streams,
        window=params.window,
        infill_streams=round(params.infill_share * params.streams),
        longest_gap=params.longest_gap,
        transpose=params.transpose,
        stretch=0.0,
    )
