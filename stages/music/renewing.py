"""Folders that are made anew as a whole or stay as they are."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def renewing(folder: Path) -> Iterator[Path]:
    """An empty folder to fill, which takes the place of `folder` at the end; after an error `folder` is as before.

    What killed processes left of earlier attempts goes too.
    """
    # Named after this process: another, whose parent was killed, may be at the same folder a last time.
    work = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    for left in folder.parent.glob(f".{folder.name}.*.part"):
        if left == work or not _running(int(left.suffixes[-2].removeprefix("."))):
            shutil.rmtree(left)
    new = work / "new"
    new.mkdir(parents=True)
    try:
        yield new
        if folder.exists():
            folder.replace(work / "old")
        new.replace(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
