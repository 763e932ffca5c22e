"""The devices and processes that train together, connected and checked."""

import faulthandler
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.training.cluster import Cluster
from stages.training.progress_bar import print_line
from stages.training.rendezvous import meet
from stages.training.workers import ClusterWorker, Worker, connected
from stages.utils.errors import InputError

CONNECT_SECONDS = 120
"""How long TensorFlow may take to connect processes that have just met."""


@dataclass(frozen=True)
class Distribution:
    """How a training is distributed; by default it is not.

    Attributes:
        worker: this process among those that train together.
        strategy: the `tf.distribute.Strategy` under which all is made that a device needs a copy of; None for one
            device.
    """

    worker: Worker = field(default_factory=Worker)
    strategy: Any = None

    def scope(self) -> AbstractContextManager:
        """Return the context in which to make network, training model and optimizer."""
        return nullcontext() if self.strategy is None else self.strategy.scope()

    @property
    def num_devices(self) -> int:
        """Of all processes."""
        return 1 if self.strategy is None else self.strategy.num_replicas_in_sync


def all_local_devices(batch_size: int) -> Distribution:
    """Distribute a training over the devices of this host: its GPUs, or if it has none, its processor.

    Raises:
        InputError: the batch size does not divide.
    """
    import tensorflow as tf

    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) == 1:
        return Distribution()
    _check_batch_size(batch_size, len(devices))
    return Distribution(strategy=tf.distribute.MirroredStrategy([device.name for device in devices]))


def join_cluster(cluster: Cluster, batch_size: int, identity: Mapping[str, str]) -> Distribution:
    """Distribute a training over all devices of several hosts, once they have found one another.

    TensorFlow must not have computed anything before.

    Args:
        cluster: the processes, as in the environment, where TensorFlow finds them.
        batch_size: rows of a batch.
        identity: see `rendezvous.meet`.

    Raises:
        InputError: the batch size does not divide, or see `rendezvous.meet`.
    """
    import tensorflow as tf

    local_devices = len(tf.config.list_physical_devices("GPU")) or 1
    count = len(cluster.addresses)
    _check_batch_size(batch_size, local_devices * count)
    meet(cluster, {**identity, "number of GPUs": str(local_devices), "cluster": " ".join(cluster.addresses)})
    with connected(), _bounded():
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    return Distribution(ClusterWorker(strategy, cluster.index, count), strategy)


@contextmanager
def _bounded() -> Iterator[None]:
    # If a process has gone since all met, TensorFlow waits for it without end, and no Python code runs meanwhile, nor
    # does any signal arrive. It also takes SIGTERM for itself, for good.
    print_line(f"connecting all processes; if one of them is gone, this one ends after {CONNECT_SECONDS} seconds")
    with Path(os.devnull).open("w") as nowhere:
        faulthandler.dump_traceback_later(CONNECT_SECONDS, exit=True, file=nowhere)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))


def _check_batch_size(batch_size: int, num_devices: int) -> None:
    if batch_size % num_devices:
        raise InputError(
            f"params.yaml: train.batch_size = {batch_size}: cannot be divided equally among {num_devices} devices;"
            f" set it to a multiple of {num_devices}"
        )
