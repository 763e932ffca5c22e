"""A pool of worker processes that ends with the process that started it."""

import errno
import faulthandler
import os
import signal
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

import loky

from stages.utils.errors import InputError
from stages.utils.watchdog import when_gone

SHARED_MEMORY = "/dev/shm"
"""Where Linux keeps the semaphores with which worker processes wait for one another."""


def cpu_count() -> int:
    """Return the number of processors that this process may use, or LOKY_MAX_CPU_COUNT if that is lower."""
    return loky.cpu_count()


@contextmanager
def naming_killed_workers() -> Iterator[None]:
    """Raise an InputError, which says what to do, if a worker of a pool has been killed."""
    try:
        yield
    except BrokenProcessPool:
        raise InputError(
            "a worker process was killed, as happens when memory runs out; set LOKY_MAX_CPU_COUNT to have fewer of them"
        ) from None


def process_pool(workers: int) -> loky.ProcessPoolExecutor:
    """Make a pool of `workers` processes, started with the first task.

    Ctrl-C is left to this process. If a task crashes its worker, the results of the pool's tasks raise
    `concurrent.futures.process.BrokenProcessPool`; see `naming_killed_workers`.

    Raises:
        InputError: there is no room for semaphores.
    """
    try:
        return loky.ProcessPoolExecutor(workers, initializer=_prepare_worker, initargs=(os.getpid(),))
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):  # too many open files: pipes
            raise
        raise InputError(
            f"{SHARED_MEMORY}: {error.strerror}; worker processes need some KB there: make room or make it writable"
            " (in a container: --shm-size, --tmpfs)"
        ) from None


def _prepare_worker(parent: int) -> None:
    faulthandler.disable()  # loky turns it on; a crash is reported to the parent, without a traceback on the console
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends its workers
    # Without this, a worker whose parent was killed would wait for ever to hand over its results.
    when_gone(lambda: os.getppid() == parent, lambda: os._exit(1))
