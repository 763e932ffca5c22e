"""Folders that are made anew as a whole or stay as they are."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.music.replacing import leavings, part_of


@contextmanager
def renewing(folder: Path) -> Iterator[Path]:
    """An empty folder to fill, which takes the place of `folder` at the end; after an error `folder` is as before.

    What killed processes left of earlier attempts goes too.
    """
    hidden = folder.with_name(f".{folder.name}")
    for left in leavings(hidden):
        shutil.rmtree(left)
    work = part_of(hidden)
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
