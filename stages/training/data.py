"""Training batches: augmented pieces, read window by window, with gaps drawn for infilling."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

import numpy as np

from stages.model.batching import FieldBatch, PieceSource, WindowBatch, field_batches, window_batches
from stages.training import augmentation

# What a random generator is for: the second number of its seed.
_PIECE_ORDER, _AUGMENTATION, _START, _GAPS = range(4)


@dataclass(frozen=True)
class TrainingPiece:
    """A piece to train on.

    Attributes:
        num_notes: its length.
        load_fields: returns its fields, int32, shape (num_notes, 4), for a factor by which to stretch its time.
    """

    num_notes: int
    load_fields: Callable[[float], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class BatchConfig:
    """What training batches look like; params.yaml says what each key is for.

    Attributes:
        seed: at least 0; together with an update's number it decides what the batch holds.
        batch_size: pieces read in parallel, a batch row each.
        seq_len: notes of a window.
        infill_fraction: fraction of the batch rows that also learn to infill, 0 to 1.
        max_gap_notes: longest gap, and the number of notes that follow each window.
        transpose_semitones: largest transposition, up or down.
        time_stretch: largest change of tempo, as a fraction.
        velocity_shift: largest change of loudness, up or down, in velocity bins.
        expand_on_device: whether batches hold fields, of which the training model makes note rows.
    """

    seed: int
    batch_size: int
    seq_len: int
    infill_fraction: float
    max_gap_notes: int
    transpose_semitones: int
    time_stretch: float
    velocity_shift: int = 0
    expand_on_device: bool = False

    @property
    def infill_batch_size(self) -> int:
        """Number of batch rows that also learn to infill."""
        return round(self.infill_fraction * self.batch_size)


def training_batches(
    pieces: Sequence[TrainingPiece], config: BatchConfig, skip: int = 0
) -> Iterator[dict[str, np.ndarray]]:
    """Make training batches without end.

    Every pass over the pieces takes them in a new order, each augmented anew. Gaps are drawn from
    1..max_gap_notes with probability proportional to 1 / sqrt(gap).

    Args:
        pieces: at least one note in all.
        config: sizes and augmentation.
        skip: number of batches to leave out at the beginning; those that follow are as if they had been made.

    Yields:
        "rows", int16, shape (batch_size, 1 + seq_len + max_gap_notes, ROW_SIZE), see `batching.WindowBatch`;
        or, with expand_on_device, "fields" and "keyboard", see `batching.FieldBatch`;
        "reset", bool, shape (batch_size,): whether the window begins a piece;
        "gap", int32, shape (infill_batch_size,): a gap for each of the rows that also learn to infill.
    """
    gaps = np.arange(1, config.max_gap_notes + 1)
    probabilities = gaps**-0.5 / np.sum(gaps**-0.5)
    # Rows begin their first piece at different places, so that they do not all reset at once.
    start_fractions = np.random.default_rng((config.seed, _START)).random(config.batch_size)
    make_windows: Callable[..., Iterator[Any]] = field_batches if config.expand_on_device else window_batches
    windows: Iterator[WindowBatch | FieldBatch] = make_windows(
        _augmented_pieces(pieces, config),
        config.batch_size,
        config.seq_len,
        config.max_gap_notes,
        skip,
        start_fractions,
    )
    for update, window in enumerate(windows, start=skip):
        random = np.random.default_rng((config.seed, _GAPS, update))
        yield {
            **_notes(window),
            "reset": window.reset,
            "gap": random.choice(gaps, config.infill_batch_size, p=probabilities).astype(np.int32),
        }


def _notes(batch: WindowBatch | FieldBatch) -> dict[str, np.ndarray]:
    if isinstance(batch, FieldBatch):
        return {"fields": batch.fields, "keyboard": batch.keyboard}
    return {"rows": batch.rows}


def _augmented_pieces(pieces: Sequence[TrainingPiece], config: BatchConfig) -> Iterator[PieceSource]:
    # Pass after pass over all pieces. A piece's fields are made when they are asked for.
    for number in count():
        order = np.random.default_rng((config.seed, _PIECE_ORDER, number)).permutation(len(pieces))
        for index in map(int, order):
            random_key = (config.seed, _AUGMENTATION, number, index)
            yield PieceSource(index, pieces[index].num_notes, partial(_augment, pieces[index], config, random_key))


def _augment(piece: TrainingPiece, config: BatchConfig, random_key: tuple[int, ...]) -> np.ndarray:
    random = np.random.default_rng(random_key)
    # Uniform in log time, so that faster and slower are equally likely.
    fields = piece.load_fields(float(np.exp(random.uniform(-1, 1) * np.log1p(config.time_stretch))))
    lowest, highest = augmentation.transposition_range(fields, config.transpose_semitones)
    fields = augmentation.transpose(fields, int(random.integers(lowest, highest + 1)))
    if not config.velocity_shift:
        return fields
    return augmentation.shift_velocity(fields, int(random.integers(-config.velocity_shift, config.velocity_shift + 1)))
