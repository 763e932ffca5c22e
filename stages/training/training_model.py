"""The network with what training adds to it: LSTM states between windows, dropout and the losses."""

from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from stages.model.bilstm import BiLSTM, FutureContext
from stages.model.history import PAD_PITCH, padding_rows
from stages.model.row_expansion import expand_rows
from stages.representation.grid_encoding import PITCH
from stages.training.losses import LOSS_SUMS

NUM_SHARDS = 2
"""Parts of a batch that are computed in parallel on processors.

One for each core of the machine that the default settings are for. It is neither a setting nor the machine's number of
cores, because the order of sums, and so their last bits, depend on it.
"""


class TrainingModel(keras.Model):
    """Trains a network on the batches of `data.training_batches`.

    The loss is the mean, in nats per note, over all notes of the batch predicted from the past, and over those of the
    infill rows once more, predicted from both sides. Batch rows are computed in parts that do not wait for each
    other. The first rows of each part are its infill rows.
    """

    def __init__(
        self,
        network: BiLSTM,
        batch_size: int,
        *,
        dropout: float = 0.0,
        stateful: bool = True,
        loss_on: Literal["all", "last"] = "all",
        num_shards: int = NUM_SHARDS,
    ) -> None:
        """Wrap a network, whose weights training then changes.

        Args:
            network: what to train.
            batch_size: rows of a batch.
            dropout: fraction of each LSTM's outputs that a batch row does without, 0 to 1; the same outputs for all
                notes of a window (Gal and Ghahramani, 2016).
            stateful: whether a batch row starts a window with the LSTM state that it ended the one before with; if
                not, every window starts from the initial state.
            loss_on: whether all notes of a window are predicted, or only the last, as is usual where a window is one
                example.
            num_shards: parts in which a batch is computed.
        """
        super().__init__(dtype=network.dtype_policy, name="training_model")
        self.network, self.dropout, self.stateful, self.loss_on = network, dropout, stateful, loss_on
        self.num_shards = num_shards
        self.seeds = keras.random.SeedGenerator()
        self.lstm_state = self.add_weight(
            shape=(2, batch_size, network.lstm_units),
            initializer="zeros",
            trainable=False,
            dtype="float32",
            name="lstm_state",
        )
        self.loss_sums = [keras.metrics.Sum(name=name) for name in LOSS_SUMS]
        self.built = True

    def call(self, x):
        """Return the sums of a batch that `losses.LossSums` describes, by name, and keep the LSTM states.

        Args:
            x: a batch of `data.training_batches`.
        """
        state, sums = self.read_windows(x, ops.convert_to_tensor(self.lstm_state), self.draw_dropout_mask())
        self.lstm_state.assign(state)
        return sums

    def read_windows(self, x, state, dropout_mask) -> tuple[Any, dict[str, Any]]:
        """Compute what a batch, or some rows of it, costs; changes no variable.

        Args:
            x: a batch of `data.training_batches`, or rows of one, in which infill rows stand where `infill_rows` says.
            state: the LSTM states before the windows, float32, shape (2, rows, units).
            dropout_mask: of these rows; see `draw_dropout_mask`.

        Returns:
            The LSTM states after the windows, and the sums that `losses.LossSums` describes, by name.
        """
        rows, gap = _note_rows(x), x["gap"]
        state = ops.where(x["reset"][:, None], 0.0, state) if self.stateful else ops.zeros(state.shape)
        states, sums = [], []
        for shard in range(self.num_shards):
            here = _shard_slice(rows.shape[0], shard, self.num_shards)
            infill_here = _shard_slice(gap.shape[0], shard, self.num_shards)
            if here.start < here.stop:
                shard_state, shard_sums = self._shard(
                    rows[here], state[:, here], gap[infill_here], dropout_mask[:, here]
                )
                states.append(shard_state)
                sums.append(shard_sums)
        totals = {name: sum(shard_sums[name] for shard_sums in sums) for name in LOSS_SUMS}
        return ops.concatenate(states, axis=1), totals

    def draw_dropout_mask(self):
        """Return factors for the LSTM outputs of a batch: zero or, so that the mean stays, 1 / (1 - dropout).

        Returns:
            shape (2, batch_size, 1, units): for the forward and the backward LSTM.
        """
        _, batch_size, units = self.lstm_state.shape
        shape = (2, batch_size, 1, units)
        if not self.dropout:
            return ops.ones(shape, self.compute_dtype)
        drawn = keras.random.uniform(shape, seed=self.seeds)
        return ops.cast(drawn >= self.dropout, self.compute_dtype) / (1 - self.dropout)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the loss in nats per note, over continuation and infill.

        Args:
            y_pred: what `call` returned. The other arguments, which Keras passes, are not used.
        """
        for metric in self.loss_sums:
            metric.update_state(y_pred[metric.name])
        return mean_loss(y_pred)

    def _shard(self, rows, state, gap, dropout_mask) -> tuple[Any, dict[str, Any]]:
        # The LSTM states after the window and the sums. The first rows, one for each gap, are infill rows.
        network, num_infill = self.network, gap.shape[0]
        seq_len = rows.shape[1] - 1 - network.max_gap_notes
        window = rows[:, : 1 + seq_len]  # the note before the window, and the window
        past, state = network.read_past(window[:, :-1], (state[0], state[1]))
        state = ops.stack([ops.cast(part, "float32") for part in state])
        first = seq_len - 1 if self.loss_on == "last" else 0
        past, window = past[:, first:] * dropout_mask[0], window[:, first:]
        notes = ops.sum(ops.cast(window[:, 1:, PITCH] < PAD_PITCH, "float32"), axis=1)
        sums = {
            "continuation_nll": ops.sum(network.nll(network.head_inputs(past, window[:, :-1]), window)),
            "continuation_notes": ops.sum(notes),
            "infill_nll": ops.zeros(()),
            "infill_notes": ops.zeros(()),
        }
        if num_infill:
            future = network.read_future(rows[:num_infill]) * dropout_mask[1, :num_infill]
            future_context = network.future_context(rows[:num_infill], future, gap, seq_len)
            future_context = FutureContext(*(part[:, first:] for part in future_context))
            past, window = past[:num_infill], window[:num_infill]
            head_inputs = network.head_inputs(past, window[:, :-1], future_context)
            sums["infill_nll"] = ops.sum(network.nll(head_inputs, window))
            sums["infill_notes"] = ops.sum(notes[:num_infill])
        return state, sums


def infill_rows(batch_size: int, num_infill: int, num_shards: int) -> np.ndarray:
    """Return which rows of a batch also learn to infill, in the order of their gaps.

    Args:
        batch_size: rows.
        num_infill: how many of them are infill rows, at most `batch_size`.
        num_shards: parts in which the model computes them.
    """
    firsts = []
    for shard in range(num_shards):
        start, gaps = _shard_slice(batch_size, shard, num_shards).start, _shard_slice(num_infill, shard, num_shards)
        firsts.append(np.arange(start, start + gaps.stop - gaps.start))
    return np.concatenate(firsts)


def _shard_slice(size: int, shard: int, num_shards: int) -> slice:
    return slice(size * shard // num_shards, size * (shard + 1) // num_shards)


def mean_loss(sums):
    """Return the loss in nats per note, over continuation and infill.

    Args:
        sums: what `TrainingModel.call` returns.
    """
    return total_nll(sums) / ops.maximum(total_notes(sums), 1)


def total_nll(sums):
    """Return the nats of continuation and infill; `sums` as for `mean_loss`."""
    return sums["continuation_nll"] + sums["infill_nll"]


def total_notes(sums):
    """Return the notes that `total_nll` counts; `sums` as for `mean_loss`."""
    return sums["continuation_notes"] + sums["infill_notes"]


def _note_rows(x):
    # The rows of a batch, which may hold the fields of which they are made.
    if "rows" in x:
        return x["rows"]
    rows = expand_rows(x["fields"], x["keyboard"])
    note_before = ops.where(x["reset"][:, None], padding_rows(()).astype(np.int32), rows[:, 0])
    return ops.concatenate([note_before[:, None], rows[:, 1:]], axis=1)
