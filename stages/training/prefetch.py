"""Making batches ahead of time, while the device computes."""

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

Item = TypeVar("Item")


def prefetch(items: Iterator[Item], ahead: int) -> Iterator[Item]:
    """Yield the items of an endless iterator, which a thread of its own advances.

    Args:
        items: used by nobody else from now on. What it raises is raised here, at its place.
        ahead: items that are kept ready, at least 1.
    """
    ready: queue.Queue[tuple[Item | None, BaseException | None]] = queue.Queue(maxsize=ahead)

    def fill() -> None:
        try:
            for item in items:
                ready.put((item, None))
        except BaseException as error:
            ready.put((None, error))

    threading.Thread(target=fill, daemon=True).start()
    while True:
        item, error = ready.get()
        if error is not None:
            raise error
        yield item  # type: ignore[misc]
