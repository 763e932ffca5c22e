"""How a Keras backend carries out the updates of a training."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import keras
import numpy as np

from stages.training.losses import LOSS_SUMS
from stages.training.training_model import TrainingModel, mean_loss

Batch = Mapping[str, np.ndarray]

MAX_FUSED_UPDATES = 20
"""Updates that JAX carries out in one go; the processor then has the time to make the next batches."""


class Updates(Protocol):
    """Carries out updates.

    Attributes:
        size: number of updates of each call of `run`.
    """

    size: int

    def run(self, batches: Sequence[Batch]) -> dict[str, float]:
        """Update the model with `size` batches.

        Returns:
            The sums that `losses.LossSums` describes, over all batches.
        """

    def agree(self, stop: bool, save: bool) -> tuple[bool, bool]:
        """Tell the other processes that train, if any, what this one wants to do, and return what all do now.

        Args:
            stop: end before the next update.
            save: write a checkpoint.
        """

    def collect_state(self) -> None:
        """Bring all that a checkpoint holds into the model's variables."""


class _OneDevice:
    """Updates of a process that trains by itself, with the model's own variables."""

    def agree(self, stop: bool, save: bool) -> tuple[bool, bool]:
        """See `Updates.agree`."""
        return stop, save

    def collect_state(self) -> None:
        """See `Updates.collect_state`."""


class TensorFlowUpdates(_OneDevice):
    """Carries out one update at a time.

    Attributes:
        size: number of updates of each call of `run`.
    """

    size = 1

    def __init__(self, model: TrainingModel) -> None:
        """Prepare the updates of a compiled model."""
        self._model = model

    def run(self, batches: Sequence[Batch]) -> dict[str, float]:
        """Update the model with one batch.

        Returns:
            The sums that `losses.LossSums` describes.
        """
        (batch,) = batches
        return self._model.train_on_batch(batch, return_dict=True)


class JaxUpdates(_OneDevice):
    """Carries out several updates in one compiled program, so that a GPU does not wait for Python.

    Attributes:
        size: number of updates of each call of `run`.
    """

    def __init__(self, model: TrainingModel, size: int) -> None:
        """Prepare the updates of a compiled model.

        Args:
            model: what to train.
            size: updates of each call of `run`, at least 1.
        """
        import jax

        self.size, self._model = size, model
        self._program = jax.jit(self._scan, donate_argnums=0)

    def run(self, batches: Sequence[Batch]) -> dict[str, float]:
        """Update the model with `size` batches.

        Returns:
            The sums that `losses.LossSums` describes, over all batches.
        """
        stacked = {name: np.stack([batch[name] for batch in batches]) for name in batches[0]}
        values = [[variable.value for variable in group] for group in self._variables()]
        values, sums = self._program(values, stacked)
        for group, new_values in zip(self._variables(), values, strict=True):
            for variable, value in zip(group, new_values, strict=True):
                variable.assign(value)
        return {name: float(np.asarray(sums[name]).sum(dtype=np.float64)) for name in LOSS_SUMS}

    def _variables(self) -> list[list]:
        model = self._model
        return [model.trainable_variables, model.non_trainable_variables, model.optimizer.variables]

    def _scan(self, values, batches):
        import jax

        return jax.lax.scan(self._update, values, batches)

    def _update(self, values, batch) -> tuple[Any, dict[str, Any]]:
        import jax

        trainable, non_trainable, optimizer = values

        def loss(trainable):
            sums, new_non_trainable = self._model.stateless_call(trainable, non_trainable, batch)
            return mean_loss(sums), (sums, new_non_trainable)

        gradients, (sums, non_trainable) = jax.grad(loss, has_aux=True)(trainable)
        trainable, optimizer = self._model.optimizer.stateless_apply(optimizer, gradients, trainable)
        return [trainable, non_trainable, optimizer], sums


def make_updates(model: TrainingModel, steps_per_epoch: int, strategy: Any = None) -> Updates:
    """Return what carries out the updates of a compiled model on the backend that Keras runs on.

    Args:
        model: what to train.
        steps_per_epoch: updates of an epoch, a multiple of the size of what is returned.
        strategy: the `tf.distribute.Strategy` under which the model was made, if several devices train it.
    """
    if strategy is not None:
        from stages.training.distributed_updates import DistributedUpdates

        return DistributedUpdates(model, strategy)
    if keras.backend.backend() != "jax":
        return TensorFlowUpdates(model)
    sizes = range(1, min(MAX_FUSED_UPDATES, steps_per_epoch) + 1)
    return JaxUpdates(model, max(size for size in sizes if steps_per_epoch % size == 0))
