"""How several devices, of one host or of several, carry out the updates of a training together.

Keras' own `fit` and `train_on_batch` do not do this on TensorFlow: Keras' optimizers clip gradients before they add up
those of the devices, and no loss is divided by the number of notes in the whole batch. Here the sums of the gradients
and of the losses over all devices are formed first; then every device makes the same update.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from stages.training.batch_division import DevicePart, divide_batch
from stages.training.training_model import TrainingModel, total_nll, total_notes
from stages.training.workers import connected, sum_over_devices


class DistributedUpdates:
    """Updates on several devices, one at a time; see `updates.Updates`.

    Every process makes the whole batch, and its devices take their rows of it, always the same ones.
    """

    size = 1

    def __init__(self, model: TrainingModel, strategy: tf.distribute.Strategy) -> None:
        """Prepare the updates of a compiled model.

        Args:
            model: what to train, made and compiled under the strategy. Its batch size is that of all devices together,
                a multiple of their number.
            strategy: a `MirroredStrategy` or a `MultiWorkerMirroredStrategy`.
        """
        self._model, self._strategy = model, strategy
        _, self._batch_size, units = model.lstm_state.shape
        with strategy.scope():
            # Of the rows of each device; that of the model is of all rows, and only read and written by checkpoints.
            self._lstm_state = tf.Variable(
                tf.zeros((2, self._batch_size // strategy.num_replicas_in_sync, units)),
                trainable=False,
                synchronization=tf.VariableSynchronization.ON_READ,
            )
        self._parts: list[DevicePart] = []
        self._has_infill_rows = False
        self._program = tf.function(self._update, autograph=False)
        self._gather = tf.function(
            lambda: strategy.gather(strategy.run(self._lstm_state.read_value), axis=1), autograph=False
        )
        self._spread = tf.function(
            lambda states: strategy.run(self._lstm_state.assign, args=(states,)), autograph=False
        )
        self._requested = self._agreed = (False, False)

    def run(self, batches: Sequence[Mapping[str, np.ndarray]]) -> dict[str, float]:
        """Update the model with one batch.

        Returns:
            The sums that `losses.LossSums` describes.

        Raises:
            InputError: another process of the cluster has gone.
        """
        (batch,) = batches
        if not self._parts:
            self._begin(num_infill=len(batch["gap"]))

        def inputs(part):
            rows = {name: tf.constant(values[part.rows]) for name, values in batch.items() if name != "gap"}
            requested = tf.constant(self._requested, tf.float32)
            return {**rows, "gap": tf.constant(batch["gap"][part.gaps])}, tf.constant(part.rows), requested

        with connected():
            sums, requested = self._program(self._for_each_device(inputs))
            stop, save = requested.numpy() > 0
            self._agreed = bool(stop), bool(save)
            return {name: float(value) for name, value in sums.items()}

    def agree(self, stop: bool, save: bool) -> tuple[bool, bool]:
        """Return what any process had asked for when the last update began, and ask with the next one."""
        agreed = self._agreed
        self._requested = stop, save and not agreed[1]  # what is saved now need not be saved again
        return agreed

    def collect_state(self) -> None:
        """Gather the LSTM states of all rows in the model's variable.

        Raises:
            InputError: another process of the cluster has gone.
        """
        with connected():
            states = self._gather().numpy()
        state = np.empty_like(states)
        state[:, np.concatenate([part.rows for part in self._parts])] = states
        self._model.lstm_state.assign(state)

    def _begin(self, num_infill: int) -> None:
        # Divides the batch, and the LSTM states of all rows, which a checkpoint may have set.
        num_shards, self._has_infill_rows = self._model.num_shards, num_infill > 0
        self._parts = divide_batch(self._batch_size, num_infill, num_shards, self._strategy.num_replicas_in_sync)
        state = self._model.lstm_state.numpy()
        self._spread(self._for_each_device(lambda part: tf.constant(state[:, part.rows])))

    def _for_each_device(self, values: Callable[[DevicePart], Any]):
        # Of the devices of this process.
        return self._strategy.experimental_distribute_values_from_function(
            lambda context: values(self._parts[context.replica_id_in_sync_group])
        )

    def _update(self, inputs):
        model, strategy = self._model, self._strategy
        gradients, sums, requested = strategy.run(self._add_up, args=(*inputs, model.draw_dropout_mask()))
        variables = model.trainable_variables

        def anywhere(value):  # it is the same on all devices
            return strategy.experimental_local_results(value)[0]

        sums = {name: anywhere(value) for name, value in sums.items()}
        # Outside `strategy.run` Keras' optimizer adds up nothing: it clips what it gets and updates every device.
        notes = tf.maximum(total_notes(sums), 1)
        model.optimizer.apply(
            [anywhere(gradients[index]) / notes if index in gradients else None for index in range(len(variables))],
            variables,
        )
        return sums, anywhere(requested)

    def _add_up(self, batch, rows, requested, dropout_mask):
        # On each device: the gradients of the nll of its rows, then the sums over all devices.
        with tf.GradientTape() as tape:
            state, sums = self._model.read_windows(
                batch, self._lstm_state.read_value(), tf.gather(dropout_mask, rows, axis=1)
            )
            nll = total_nll(sums)
        self._lstm_state.assign(state)
        # Without infill rows there is none for the backward LSTM, as on one device. Otherwise every device has one,
        # those without infill rows too.
        unconnected = tf.UnconnectedGradients.ZERO if self._has_infill_rows else tf.UnconnectedGradients.NONE
        gradients = tape.gradient(
            nll, [variable.value for variable in self._model.trainable_variables], unconnected_gradients=unconnected
        )
        gradients = {
            index: tf.convert_to_tensor(gradient) for index, gradient in enumerate(gradients) if gradient is not None
        }
        return sum_over_devices((gradients, sums, requested))
