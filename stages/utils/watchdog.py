"""Ending with the process that one works for."""

import threading
import time
from collections.abc import Callable

POLL_SECONDS = 0.5


def when_gone(runs: Callable[[], bool], then: Callable[[], None]) -> None:
    """Watch another process from a background thread, and act once it has ended.

    Args:
        runs: tells whether the process still runs; asked every `POLL_SECONDS`.
        then: called once, from the thread.
    """

    def watch() -> None:
        while runs():
            time.sleep(POLL_SECONDS)
        then()

    threading.Thread(target=watch, daemon=True).start()
