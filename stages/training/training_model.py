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
            shape=(2, batch_size, network.units),
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
        rows, gap = _note_rows(x), x["gap"]
        state = ops.zeros(self.lstm_state.shape)
        if self.stateful:
            state = ops.where(x["reset"][:, None], 0.0, ops.convert_to_tensor(self.lstm_state))
        dropout_mask = self._dropout_mask((2, rows.shape[0], 1, self.network.units))
        states, sums = [], []
        for shard in range(self.num_shards):
            here, infill_here = self._shard_slice(rows.shape[0], shard), self._shard_slice(gap.shape[0], shard)
            if here.start < here.stop:
                shard_state, shard_sums = self._shard(
                    rows[here], state[:, here], gap[infill_here], dropout_mask[:, here]
                )
                states.append(shard_state)
                sums.append(shard_sums)
        self.lstm_state.assign(ops.concatenate(states, axis=1))
        return {name: sum(shard_sums[name] for shard_sums in sums) for name in LOSS_SUMS}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the loss in nats per note, over continuation and infill.

        Args:
            y_pred: what `call` returned. The other arguments, which Keras passes, are not used.
        """
        for metric in self.loss_sums:
            metric.update_state(y_pred[metric.name])
        return mean_loss(y_pred)

    def _shard_slice(self, size: int, shard: int) -> slice:
        return slice(size * shard // self.num_shards, size * (shard + 1) // self.num_shards)

    def _dropout_mask(self, shape: tuple[int, ...]):
        # Factors for LSTM outputs: zero or, so that the mean stays, 1 / (1 - dropout).
        if not self.dropout:
            return ops.ones(shape, self.compute_dtype)
        drawn = keras.random.uniform(shape, seed=self.seeds)
        return ops.cast(drawn >= self.dropout, self.compute_dtype) / (1 - self.dropout)

    def _shard(self, rows, state, gap, dropout_mask) -> tuple[Any, dict[str, Any]]:
        # The LSTM states after the window and the sums. The first rows, one for each gap, are infill rows.
        network, num_infill = self.network, gap.shape[0]
        seq_len = rows.shape[1] - 1 - network.longest_gap
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


def mean_loss(sums):
    """Return the loss in nats per note, over continuation and infill.

    Args:
        sums: what `TrainingModel.call` returns.
    """
    nll = sums["continuation_nll"] + sums["infill_nll"]
    return nll / ops.maximum(sums["continuation_notes"] + sums["infill_notes"], 1)


def _note_rows(x):
    # The rows of a batch, which may hold the fields of which they are made.
    if "rows" in x:
        return x["rows"]
    rows = expand_rows(x["fields"], x["keyboard"])
    note_before = ops.where(x["reset"][:, None], padding_rows(()).astype(np.int32), rows[:, 0])
    return ops.concatenate([note_before[:, None], rows[:, 1:]], axis=1)
