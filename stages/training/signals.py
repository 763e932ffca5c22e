"""Interrupting training between two updates."""

import signal
import threading
from typing import Any


class DeferredInterrupt:
    """A context in which SIGINT and SIGTERM only set `requested`, which training checks after each update.

    Inside an update the weights are neither old nor new; between two updates training can stop without loss. A second
    signal raises KeyboardInterrupt at once. Outside the main thread, where Python handles no signals, nothing changes.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous_handlers: dict[int, Any] = {}

    def __enter__(self) -> "DeferredInterrupt":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous_handlers[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)

    def _handle(self, *_) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
