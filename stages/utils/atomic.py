"""Files and folders that appear as a whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to, which replaces `path` at the end; after an error `path` is as before.

    Temporary files of processes that were killed are removed as well.
    """
    for stale in stale_temp_files(path):
        stale.unlink(missing_ok=True)
    part = temp_path(path)
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def atomic_directory(folder: Path) -> Iterator[Path]:
    """Yield an empty folder to fill, which replaces `folder` at the end; after an error `folder` is as before.

    Temporary folders of processes that were killed are removed as well.
    """
    hidden = folder.with_name(f".{folder.name}")
    for stale in stale_temp_files(hidden):
        shutil.rmtree(stale)
    work = temp_path(hidden)
    new, old = work / "new", work / "old"
    new.mkdir(parents=True)
    try:
        yield new
        if folder.exists():
            folder.replace(old)
        new.replace(folder)
    finally:
        if not folder.exists() and old.exists():
            old.replace(folder)
        shutil.rmtree(work, ignore_errors=True)


def temp_path(path: Path) -> Path:
    """Return where this process writes what is to become `path`: beside it, with the process's number in the name.

    Another process, whose parent was killed, may be writing the same output a last time.
    """
    return path.with_name(f"{path.name}.{os.getpid()}.part")


def stale_temp_files(path: Path) -> list[Path]:
    """Return the temporary paths for `path` (see `temp_path`) of processes that no longer run."""
    numbers = {part: part.name[len(path.name) + 1 : -len(".part")] for part in path.parent.glob("*.part")}
    return [
        part
        for part, number in numbers.items()
        if part.name == f"{path.name}.{number}.part" and number.isdecimal() and not _runs_elsewhere(int(number))
    ]


def _runs_elsewhere(process: int) -> bool:
    if process == os.getpid():  # an earlier process had the same number
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
