"""How well the network foretells music: nats per note, exact, with the state carried through whole pieces."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops
from tqdm import tqdm

from stages.model.batching import PieceSource, window_batches
from stages.model.bilstm import BiLSTM
from stages.representation import grid_encoding
from stages.representation.grid_encoding import DURATION, PITCH, STEP, VELOCITY

BATCH_SIZE, SEQ_LEN = 64, 128
MIN_FUTURE_NOTES = 64  # notes of future, at the least, that filling in may look at, as far as the piece goes on


@dataclass(frozen=True)
class Scores:
    """Sums over notes, a row a piece in the order given.

    notes: int, shape (pieces,).
    continuation: nats of step, pitch, duration and velocity, float64, shape (pieces, 4).
    infilling: the same for each gap asked for.
    """

    notes: np.ndarray
    continuation: np.ndarray
    infilling: dict[int, np.ndarray]

    def mean(self, gap: int | None = None, pieces: np.ndarray | None = None) -> dict[str, float]:
        """Nats a note, of each field and in "total": of continuation or of a gap, over all pieces or a selection.

        pieces: bool, shape (pieces,).
        """
        sums = self.continuation if gap is None else self.infilling[gap]
        chosen = np.ones(len(self.notes), bool) if pieces is None else pieces
        return name_fields(sums[chosen].sum(axis=0) / self.notes[chosen].sum())


def name_fields(nats: np.ndarray) -> dict[str, float]:
    """Name four figures, one a field, and add their total."""
    return {"total": float(nats.sum())} | dict(zip(grid_encoding.FIELDS, map(float, nats), strict=True))


class _Scorer(keras.Model):
    # A model only so that Keras compiles it, whatever the backend.
    def __init__(self, network: BiLSTM, gaps: Sequence[int]) -> None:
        super().__init__(dtype=network.dtype_policy, name="scorer")
        self.network, self.gaps = network, tuple(gaps)

    def call(self, x):
        rows, state = x["rows"], x["state"]
        inside = rows[:, : 1 + SEQ_LEN]
        past, state = self.network.past(inside[:, :-1], [state[0], state[1]])
        result = {
            "state": ops.stack([ops.cast(part, "float32") for part in state]),
            "continuation": self.network.nats(self.network.context(past, inside[:, :-1]), inside),
        }
        if self.gaps:
            future = self.network.future(rows)
            for gap in self.gaps:
                ahead = self.network.ahead(rows, future, ops.full(rows.shape[:1], gap, "int32"), SEQ_LEN)
                context = self.network.context(past, inside[:, :-1], ahead)
                result[f"gap_{gap}"] = self.network.nats(context, inside)
        return result


def make_scorer(network: BiLSTM, gaps: Sequence[int] = ()) -> Callable[..., Scores]:
    """A function that scores pieces with what `network` is at the time of the call; compiled once.

    Its arguments: pieces, a list of fields (int32, shape (notes, 4)); progress, the label of a progress bar or None.
    """
    model = _Scorer(network, gaps)
    lookahead = max(gaps) + MIN_FUTURE_NOTES if gaps else 0

    def score(pieces: Sequence[np.ndarray], progress: str | None = None) -> Scores:
        notes = np.array([len(piece) for piece in pieces], np.int64)
        sums = {name: np.zeros((len(pieces), 4)) for name in ["continuation", *(f"gap_{gap}" for gap in gaps)]}
        # Longest first, so that no lane is left alone at the end with a long piece.
        supply = [
            PieceSource(int(at), int(notes[at]), lambda at=at: pieces[at]) for at in np.argsort(-notes, kind="stable")
        ]
        state = np.zeros((2, BATCH_SIZE, network.units), np.float32)
        with tqdm(total=int(notes.sum()), desc=progress, unit=" notes", disable=progress is None) as bar:
            for batch in window_batches(supply, BATCH_SIZE, SEQ_LEN, lookahead):
                state[:, batch.reset] = 0
                result = model.predict_on_batch({"rows": batch.rows, "state": state})
                state = np.array(result.pop("state"))
                for name, nats in result.items():
                    np.add.at(sums[name], batch.piece, nats.sum(axis=1, dtype=np.float64))
                bar.update(int((batch.rows[:, 1 : 1 + SEQ_LEN, PITCH] < grid_encoding.NUM_KEYS).sum()))
        return Scores(notes, sums.pop("continuation"), {gap: sums[f"gap_{gap}"] for gap in gaps})

    return score


def unigram_nll(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Nats per note and field of `test` when each field is foretold by how often its bins occur in `train`.

    Fields of many notes each, shape (notes, 4); every bin is counted once more than it occurs. Shape (4,).
    """
    bins = (
        (STEP, grid_encoding.STEP_BIN, grid_encoding.STEP_WIDTHS),
        (PITCH, np.arange(grid_encoding.NUM_KEYS), np.ones(grid_encoding.NUM_KEYS)),
        (DURATION, grid_encoding.DURATION_BIN, grid_encoding.DURATION_WIDTHS),
        (VELOCITY, np.arange(grid_encoding.VELOCITY_BINS), np.ones(grid_encoding.VELOCITY_BINS)),
    )
    nats = np.empty(4)
    for field, bin_of, widths in bins:
        counts = 1 + np.bincount(bin_of[train[:, field]], minlength=len(widths))
        log_density = np.log(counts / counts.sum()) - np.log(widths)
        nats[field] = -log_density[bin_of[test[:, field]]].mean()
    return nats
