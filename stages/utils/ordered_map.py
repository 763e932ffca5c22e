"""Results of work that is done elsewhere, in order, with a bounded amount of it under way."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import Any, Protocol, TypeVar

Argument = TypeVar("Argument")


class Task(Protocol):
    """Work that was handed to someone else, as of `concurrent.futures.Future`."""

    def result(self) -> Any:
        """Wait for the result and return it; raise what the work raised."""

    def cancel(self) -> Any:
        """Give the work up if it has not begun."""


def map_in_order(
    submit: Callable[[Argument], Task], arguments: Iterable[Argument], max_tasks: Callable[[], int]
) -> Generator[Any, None, None]:
    """Have something done for each of many arguments, in parallel.

    Neither all arguments nor all results are ever in memory: an argument is taken when its work can begin, and no more
    work is begun while the oldest result has not been taken. Close the generator to leave it early.

    Args:
        submit: begins the work for an argument.
        arguments: taken from the thread that takes the results.
        max_tasks: tells how many tasks may be under way, at least 1; asked for each argument.

    Yields:
        The result for each argument, in the order of the arguments.

    Raises:
        Exception: what the work for an argument raised, in its place.
    """
    tasks: deque[Task] = deque()
    try:
        for argument in arguments:
            tasks.append(submit(argument))
            while len(tasks) >= max_tasks():
                yield tasks.popleft().result()
        while tasks:
            yield tasks.popleft().result()
    finally:
        for task in tasks:
            task.cancel()
