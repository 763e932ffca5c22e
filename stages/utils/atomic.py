"""Files and folders that are there as a whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Another path to write to, which takes the place of `path` at the end; after an error `path` is as before.

    What killed processes left of earlier attempts goes too.
    """
    for left in stale_temp_files(path):
        left.unlink(missing_ok=True)
    part = temp_path(path)
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def temp_path(path: Path) -> Path:
    """Where this process puts together what is to become `path`.

    The name is the process's own: another, whose parent was killed, may be at the same path a last time.
    """
    return path.with_name(f"{path.name}.{os.getpid()}.part")


def stale_temp_files(path: Path) -> list[Path]:
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


@contextmanager
def atomic_directory(folder: Path) -> Iterator[Path]:
    """An empty folder to fill, which takes the place of `folder` at the end; after an error `folder` is as before.

    What killed processes left of earlier attempts goes too.
    """
    hidden = folder.with_name(f".{folder.name}")
    for left in stale_temp_files(hidden):
        shutil.rmtree(left)
    work = temp_path(hidden)
    new = work / "new"
    new.mkdir(parents=True)
    try:
        yield new
        if folder.exists():
            folder.replace(work / "old")
        new.replace(folder)
    finally:
        if not folder.exists() and (work / "old").exists():
            (work / "old").replace(folder)
        shutil.rmtree(work, ignore_errors=True)
