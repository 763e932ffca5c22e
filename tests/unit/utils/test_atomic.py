"""A folder is made anew as a whole, or stays as it was."""

import os
import subprocess
import sys

import pytest

from stages.utils.atomic import atomic_directory


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "samples"
    folder.mkdir()
    (folder / "old").write_text("old")
    return folder


def test_what_was_filled_takes_its_place(folder):
    with atomic_directory(folder) as new:
        (new / "one").write_text("1")
        assert [path.name for path in folder.iterdir()] == ["old"]
    assert [path.name for path in folder.iterdir()] == ["one"]
    assert list(folder.parent.iterdir()) == [folder]


def test_after_an_error_it_is_as_before(folder):
    with pytest.raises(OSError, match="full"), atomic_directory(folder) as new:
        (new / "one").write_text("1")
        raise OSError("full")
    assert [path.name for path in folder.iterdir()] == ["old"]
    assert list(folder.parent.iterdir()) == [folder]


def test_an_error_as_it_takes_its_place_leaves_the_old_one_there(folder):
    with pytest.raises(OSError), atomic_directory(folder) as new:
        new.rmdir()
    assert [path.name for path in folder.iterdir()] == ["old"]
    assert list(folder.parent.iterdir()) == [folder]


def test_leavings_of_processes_that_are_gone_go_and_those_of_others_stay(folder):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    # The second as left by an earlier process that had this one's number.
    leavings = {name: folder.with_name(f".samples.{name}.part") for name in (ended.pid, os.getpid(), os.getppid())}
    for left in leavings.values():
        (left / "new").mkdir(parents=True)
    with atomic_directory(folder) as new:
        (new / "one").write_text("1")
    assert [path.name for path in folder.iterdir()] == ["one"]
    assert sorted(folder.parent.iterdir()) == sorted([folder, leavings[os.getppid()]])
