"""What the processes of a cluster tell one another while they train."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from stages.training.cluster import CLUSTER_VARIABLE
from stages.utils.errors import InputError


class Worker:
    """A process that trains by itself.

    Attributes:
        index: which one it is of those that train together. The first is the chief, which alone writes files.
        count: how many they are.
    """

    index, count = 0, 1

    @property
    def is_chief(self) -> bool:
        """Whether this is the process that writes files."""
        return self.index == 0

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Return the sum of the `values` of all workers, which all call this at one point and with equal shapes."""
        return values

    def broadcast(self, content: bytes) -> bytes:
        """Return the `content` of the chief, whatever that of the others is."""
        return content

    def wait(self) -> None:
        """Return when all workers have called this."""


class ClusterWorker(Worker):
    """One of several processes that train together under a `tf.distribute.MultiWorkerMirroredStrategy`."""

    def __init__(self, strategy: Any, index: int, count: int) -> None:
        """Make the worker.

        Args:
            strategy: the strategy, which has connected all workers.
            index: which of them this is.
            count: how many they are.
        """
        import tensorflow as tf

        self.index, self.count, self._strategy = index, count, strategy
        self._add = tf.function(lambda addends: strategy.run(sum_over_devices, args=(addends,)), autograph=False)

    def sum(self, values: np.ndarray) -> np.ndarray:
        """See `Worker.sum`.

        Raises:
            InputError: another worker has gone.
        """
        import tensorflow as tf

        strategy = self._strategy
        local_devices = strategy.num_replicas_in_sync // self.count

        def addend(context):  # of each device; the first one of each worker stands for it
            first = context.replica_id_in_sync_group % local_devices == 0
            return tf.constant(values if first else np.zeros_like(values))

        with connected():
            sums = self._add(strategy.experimental_distribute_values_from_function(addend))
            return strategy.experimental_local_results(sums)[0].numpy()

    def broadcast(self, content: bytes) -> bytes:
        """See `Worker.broadcast`."""
        content = content if self.is_chief else b""
        size = int(self.sum(np.array([len(content)], np.int64))[0])
        # As integers, which are added without rounding.
        padded = np.frombuffer(content.ljust(size + -size % 4, b"\0"), np.int32)
        return self.sum(padded).tobytes()[:size] if size else b""

    def wait(self) -> None:
        """See `Worker.wait`."""
        self.sum(np.zeros(1, np.int32))


def sum_over_devices(values: Any) -> Any:
    """Return the sums of tensors, in any structure, over all devices of a strategy; called in its `run`."""
    import tensorflow as tf

    # What `run` passes in stands on no device, which several processes cannot add up.
    values = tf.nest.map_structure(tf.identity, values)
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, values)


@contextmanager
def connected() -> Iterator[None]:
    """Turn the errors that TensorFlow raises when another process has gone into one line.

    Raises:
        InputError: another process has gone.
    """
    from tensorflow import errors

    try:
        yield
    except (errors.UnavailableError, errors.AbortedError, errors.CancelledError, errors.DeadlineExceededError) as error:
        reason = error.message.partition("Collective ops is aborted by: ")[2].partition("\n")[0] or type(error).__name__
        raise InputError(
            f"{CLUSTER_VARIABLE}: another process of the cluster has ended or cannot be reached ({reason});"
            " see what it printed, then start all again: training resumes from the last checkpoint"
        ) from None
