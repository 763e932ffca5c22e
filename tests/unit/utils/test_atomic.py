"""A file or folder is made anew as a whole, or stays as it was."""

import errno
import os
import subprocess
import sys

import pytest

from stages.utils import atomic
from stages.utils.atomic import atomic_directory, atomic_file, become_file, check_writable, temp_path
from tests.helpers.full_disk import disk_full_after


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


def test_one_file_may_take_its_place_and_a_folder_that_of_a_file(folder):
    with atomic_directory(folder) as new:
        (new / "one").write_text("1")
        become_file(new, new / "one")
    assert folder.read_text() == "1"
    with atomic_directory(folder) as new:
        (new / "two").write_text("2")
    assert (folder / "two").read_text() == "2"
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
    name = temp_path(folder).name
    numbers = (ended.pid, os.getpid(), os.getppid())
    leavings = {number: folder.with_name(name.replace(str(os.getpid()), str(number))) for number in numbers}
    for left in leavings.values():
        (left / "new").mkdir(parents=True)
    folder.with_name(name.replace(str(os.getpid()), str(2**22 + 1))).touch()  # a file of a process that is gone
    with atomic_directory(folder) as new:
        (new / "one").write_text("1")
    assert [path.name for path in folder.iterdir()] == ["one"]
    assert sorted(folder.parent.iterdir()) == sorted([folder, leavings[os.getppid()]])


def test_what_other_hosts_write_to_the_same_folder_stays(tmp_path, monkeypatch):
    path = tmp_path / "a.mid"
    monkeypatch.setattr(atomic, "_process_space", lambda: "elsewhere")
    theirs = temp_path(path)
    theirs.write_text("half")  # by a process of this one's number
    monkeypatch.undo()
    with atomic_file(path) as part:
        assert part != theirs
        part.write_text("ours")
    assert path.read_text() == "ours" and theirs.read_text() == "half"


def test_leavings_that_cannot_be_removed_do_no_harm(tmp_path, monkeypatch):
    path = tmp_path / "a.mid"
    left = temp_path(path).with_name(temp_path(path).name.replace(str(os.getpid()), str(2**22 + 1)))
    left.mkdir()
    monkeypatch.setattr(atomic.shutil, "rmtree", lambda path: (path / "nothing of ours").rmdir())
    with atomic_file(path) as part:
        part.write_text("1")
    assert path.read_text() == "1" and left.exists()


def test_a_file_keeps_its_content_until_the_new_one_is_complete(tmp_path):
    path = tmp_path / "a.mid"
    path.write_text("old")
    with atomic_file(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    with pytest.raises(ValueError), atomic_file(path) as part:
        part.write_text("newer")
        raise ValueError
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("hard_links", [True, False])
def test_a_file_that_came_into_being_meanwhile_is_not_replaced(tmp_path, monkeypatch, hard_links):
    def refuse(*_):
        raise OSError(errno.EPERM, "this file system has no hard links")

    if not hard_links:
        monkeypatch.setattr(atomic.os, "link", refuse)
    path = tmp_path / "a.mid"
    with atomic_file(path, overwrite=False) as part:
        part.write_text("first")
    with pytest.raises(FileExistsError) as raised, atomic_file(path, overwrite=False) as part:
        part.write_text("second")
    assert raised.value.filename == str(path)
    assert path.read_text() == "first" and list(tmp_path.iterdir()) == [path]


def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path):
    path = tmp_path / ("夜" * 83 + "é.mid")
    assert len(os.fsencode(path.name)) == 255
    with atomic_file(path) as part:
        part.write_text("1")
    assert list(tmp_path.iterdir()) == [path]


def test_temporary_names_of_two_files_differ_and_git_ignores_them(tmp_path):
    assert temp_path(tmp_path / "a.mid") != temp_path(tmp_path / "b.mid")
    assert temp_path(tmp_path / "a.mid").suffix == ".part"


def test_an_error_names_the_file_and_not_the_temporary_one(tmp_path):
    folder = tmp_path / "samples"
    with disk_full_after(200):
        with pytest.raises(OSError, match="too large") as raised, atomic_file(tmp_path / "a.mid") as part:
            part.write_bytes(bytes(1000))
        assert raised.value.filename == str(tmp_path / "a.mid")
        with pytest.raises(OSError, match="too large") as raised, atomic_directory(folder) as new:
            (new / "one").write_bytes(bytes(1000))
        assert raised.value.filename == str(folder)
    with pytest.raises(OSError) as raised, atomic_directory(folder) as new:
        (new / "nowhere" / "one").write_bytes(b"")
    assert raised.value.filename == str(folder / "nowhere" / "one")
    with pytest.raises(OSError) as raised, atomic_file(tmp_path / "nowhere" / "a.mid") as part:
        part.write_bytes(b"")
    assert raised.value.filename == str(tmp_path / "nowhere" / "a.mid")


def test_an_error_that_has_nothing_to_do_with_files_keeps_its_text(tmp_path):
    with pytest.raises(OSError) as raised, atomic_file(tmp_path / "a.mid"):
        raise OSError("the server hung up")
    assert str(raised.value) == "the server hung up" and raised.value.filename is None


def test_what_cannot_be_written_is_found_before(tmp_path):
    paths = {tmp_path / "a.mid": 100, tmp_path / "a.mp3": 1000}
    check_writable(paths)
    with disk_full_after(200), pytest.raises(OSError) as raised:
        check_writable(paths)
    assert raised.value.filename == str(tmp_path / "a.mp3")
    with pytest.raises(OSError) as raised:
        check_writable({tmp_path / "nowhere" / "a.mid": 1})
    assert raised.value.filename == str(tmp_path / "nowhere" / "a.mid")
    assert list(tmp_path.iterdir()) == []
