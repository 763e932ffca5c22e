"""Training batches as the train stage makes them, of real pieces or of random notes."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from stages.params.train import TrainParams
from stages.train import batch_config
from stages.training.data import TrainingPiece, training_batches

PIECE_NOTES = 5_000  # length of a random piece


def batches_of_pieces(train: TrainParams, pieces: list[TrainingPiece]) -> Iterator[dict[str, np.ndarray]]:
    """Make training batches of `pieces` without end, with seed 1."""
    return training_batches(pieces, dataclasses.replace(batch_config(train), seed=1))


def random_batches(train: TrainParams) -> Iterator[dict[str, np.ndarray]]:
    """Make training batches of random notes without end.

    An update takes as long for random notes as for music. The batches are the same in every process.
    """
    return batches_of_pieces(train, [_piece(random_fields(row, PIECE_NOTES)) for row in range(train.batch_size)])


def random_fields(seed: int, num_notes: int) -> np.ndarray:
    """Return random notes: step, pitch, duration and velocity, int32, shape (num_notes, 4)."""
    return np.random.default_rng((1, seed)).integers([0, 0, 1, 0], [40, 88, 200, 32], (num_notes, 4), np.int32)


def _piece(fields: np.ndarray) -> TrainingPiece:
    return TrainingPiece(PIECE_NOTES, lambda time_stretch: fields)
