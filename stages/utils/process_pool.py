"""Processes that work for this one, and end with it."""

import faulthandler
import os
import signal
import threading
import time

import loky


def cpu_count() -> int:
    """As many as there are processors for this process, or as LOKY_MAX_CPU_COUNT says."""
    return loky.cpu_count()


def process_pool(workers: int) -> loky.ProcessPoolExecutor:
    """So many processes, started with the first task.

    Ctrl-C is left to this process. Where a task brings its process down, results raise BrokenProcessPool.
    """
    return loky.ProcessPoolExecutor(workers, initializer=_prepare, initargs=(os.getpid(),))


def _prepare(parent: int) -> None:
    faulthandler.disable()  # loky turns it on, but a crash is reported without its traceback
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends its workers

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    # A worker whose parent was killed would wait for ever with its results.
    threading.Thread(target=watch, daemon=True).start()
