"""Exact negative log-likelihood of music in nats per note.

Whole pieces are read with stateful batching, so every note is predicted from all notes before it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike
from tqdm import tqdm

from stages.model.batching import PieceSource, WindowBatch, window_batches
from stages.model.bilstm import BiLSTM
from stages.model.history import PAD_PITCH
from stages.representation import grid_encoding
from stages.representation.grid_encoding import DURATION, PITCH, STEP, VELOCITY

BATCH_SIZE, SEQ_LEN = 64, 128
MIN_FUTURE_NOTES = 64  # future notes that an infill sees at least, unless the piece ends before


@dataclass(frozen=True)
class Scores:
    """Hold the negative log-likelihood of pieces, in the order in which they were given.

    Attributes:
        num_notes: Length of each piece, int, shape (pieces,).
        continuation: Nats of each field (step, pitch, duration, velocity), summed over the notes of each piece, when
            notes are predicted from the past; float64, shape (pieces, 4).
        infill: For each gap the same when notes are predicted from the past and a future.
    """

    num_notes: np.ndarray
    continuation: np.ndarray
    infill: dict[int, np.ndarray]

    def mean(self, gap: int | None = None, pieces: np.ndarray | None = None) -> dict[str, float]:
        """Return nats per note, "total" and of each field.

        Args:
            gap: An infill gap; None for continuation.
            pieces: Which pieces to include, bool, shape (pieces,); None for all.
        """
        nll = self.continuation if gap is None else self.infill[gap]
        included = np.ones(len(self.num_notes), bool) if pieces is None else pieces
        return name_fields(nll[included].sum(axis=0) / self.num_notes[included].sum())


def name_fields(nll: np.ndarray) -> dict[str, float]:
    """Return the values of the four fields by name, with their sum as "total"."""
    return {"total": float(nll.sum())} | dict(zip(grid_encoding.FIELDS, map(float, nll), strict=True))


class _ScoringModel(keras.Model):
    """Compute the nll of one window of every batch row; a Keras model so that Keras compiles it on any backend."""

    def __init__(self, network: BiLSTM, gaps: Sequence[int]) -> None:
        super().__init__(dtype=network.dtype_policy, name="scorer")
        self.network, self.gaps = network, tuple(gaps)

    def call(self, x):
        rows, state = x["rows"], x["state"]
        window = rows[:, : 1 + SEQ_LEN]
        last_rows = window[:, :-1]
        past_outputs, state = self.network.read_past(last_rows, [state[0], state[1]])
        continuation = self.network.nll(self.network.head_inputs(past_outputs, last_rows), window)
        infill = {}
        if self.gaps:
            future_outputs = self.network.read_future(rows)
            for gap in self.gaps:
                every_gap = ops.full(rows.shape[:1], gap, "int32")
                future_context = self.network.future_context(rows, future_outputs, every_gap, SEQ_LEN)
                infill[f"gap_{gap}"] = self.network.nll(
                    self.network.head_inputs(past_outputs, last_rows, future_context), window
                )
        new_state = ops.stack([ops.cast(part, "float32") for part in state])
        return {"state": new_state, "continuation": continuation, **infill}


def make_scorer(network: BiLSTM, gaps: Sequence[int] = ()) -> Callable[..., Scores]:
    """Return a function that scores pieces with the current weights of `network`; it is compiled only once.

    Args:
        network: It may go on training between two calls.
        gaps: Gaps, in notes, at which infill is scored too.

    Returns:
        A function of `pieces`, a sequence of notes on the grid (int32, shape (notes, 4)), or of objects that have a
        length and that numpy makes such an array of when it is needed; and `progress`, the label of a progress bar or
        None for none. It returns Scores.
    """
    model = _ScoringModel(network, gaps)

    def score(pieces: Sequence[np.ndarray], progress: str | None = None) -> Scores:
        num_notes = np.array([len(piece) for piece in pieces], np.int64)
        nll = {name: np.zeros((len(pieces), 4)) for name in ["continuation", *(f"gap_{gap}" for gap in gaps)]}
        lookahead = max(gaps) + MIN_FUTURE_NOTES if gaps else 0
        batches = window_batches(_longest_first(pieces), BATCH_SIZE, SEQ_LEN, lookahead)
        with tqdm(total=int(num_notes.sum()), desc=progress, unit=" notes", disable=progress is None) as bar:
            state = np.zeros((2, BATCH_SIZE, network.lstm_units), np.float32)
            for batch in batches:
                state = _add_batch(model, batch, state, nll)
                bar.update(_count_notes(batch))
        return Scores(num_notes, nll["continuation"], {gap: nll[f"gap_{gap}"] for gap in gaps})

    return score


def _longest_first(pieces: Sequence[np.ndarray]) -> list[PieceSource]:
    # A long piece at the end would leave all other batch rows empty. Keys are indices into `pieces`.
    order = sorted(range(len(pieces)), key=lambda index: -len(pieces[index]))
    return [PieceSource(index, len(pieces[index]), partial(np.asarray, pieces[index])) for index in order]


def _add_batch(model: _ScoringModel, batch: WindowBatch, state: np.ndarray, nll: dict[str, np.ndarray]) -> np.ndarray:
    # Add the nll of each window to its piece and return the new state.
    state[:, batch.reset] = 0
    result = model.predict_on_batch({"rows": batch.rows, "state": state})
    new_state = np.array(result.pop("state"))
    for name, window_nll in result.items():
        # Batch rows without a piece have index -1 and a nll of zero.
        np.add.at(nll[name], batch.piece, window_nll.sum(axis=1, dtype=np.float64))
    return new_state


def _count_notes(batch: WindowBatch) -> int:
    return int((batch.rows[:, 1 : 1 + SEQ_LEN, PITCH] < PAD_PITCH).sum())


def unigram_nll(train: Iterable[ArrayLike], test: Iterable[ArrayLike]) -> np.ndarray:
    """Return the nll of `test` when each field is predicted by the frequencies of its bins in `train`.

    Each bin is counted once more than it occurs (add-one smoothing).

    Args:
        train: Notes of each piece on the grid, shape (notes, 4); objects that numpy makes such an array of will do.
        test: The same.

    Returns:
        Nats per note of each field, shape (4,).
    """
    bins_and_widths = {
        STEP: (grid_encoding.STEP_BIN, grid_encoding.STEP_WIDTHS),
        PITCH: (np.arange(grid_encoding.NUM_KEYS), np.ones(grid_encoding.NUM_KEYS)),
        DURATION: (grid_encoding.DURATION_BIN, grid_encoding.DURATION_WIDTHS),
        VELOCITY: (np.arange(grid_encoding.VELOCITY_BINS), np.ones(grid_encoding.VELOCITY_BINS)),
    }
    counts = {field: np.zeros((2, len(widths)), np.int64) for field, (_, widths) in bins_and_widths.items()}
    for row, pieces in enumerate((train, test)):
        for notes in map(np.asarray, pieces):
            for field, (bin_of, widths) in bins_and_widths.items():
                counts[field][row] += np.bincount(bin_of[notes[:, field]], minlength=len(widths))
    nll = np.empty(4)
    for field, (train_counts, test_counts) in counts.items():
        probs = (1 + train_counts) / (1 + train_counts).sum()
        log_probs = np.log(probs) - np.log(bins_and_widths[field][1])
        nll[field] = -(log_probs * test_counts).sum() / test_counts.sum()
    return nll
