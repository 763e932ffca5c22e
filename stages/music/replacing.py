"""Files that are there as a whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Another path to write to, which takes the place of `path` at the end; after an error `path` is as before.

    What killed processes left of earlier attempts goes too.
    """
    for left in leavings(path):
        left.unlink(missing_ok=True)
    part = part_of(path)
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def part_of(path: Path) -> Path:
    """Where this process puts together what is to become `path`.

    The name is the process's own: another, whose parent was killed, may be at the same path a last time.
    """
    return path.with_name(f"{path.name}.{os.getpid()}.part")


def leavings(path: Path) -> list[Path]:
    """What processes that no longer run left where they put together what was to become `path`."""
    numbers = {left: left.name[len(path.name) + 1 : -len(".part")] for left in path.parent.glob("*.part")}
    return [
        left
        for left, number in numbers.items()
        if left.name == f"{path.name}.{number}.part" and number.isdecimal() and not _runs_elsewhere(int(number))
    ]


def _runs_elsewhere(process: int) -> bool:
    if process == os.getpid():  # an earlier one had the same number
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
