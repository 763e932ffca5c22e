"""The stage from its settings to data/raw: all of a data set or nothing of it."""

import hashlib
import io
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from stages import download
from stages.datasets import archive
from stages.utils.errors import InputError
from tests.helpers import http_server
from tests.helpers.source_analysis import ROOT

FILES = {"set/list.csv": b"name\n", "set/one.midi": bytes(range(256)) * 400, "set/two.midi": b"two"}


def packed(files=FILES) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        for name, content in files.items():
            out.writestr(name, content)
    return buffer.getvalue()


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(autouse=True)
def repository(tmp_path, monkeypatch):
    """A folder to work in, with a catalogued set `local` that has its archive beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(download.MIRROR, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(archive, "WAITS", (0,))
    shutil.copy(ROOT / "params.yaml", tmp_path)
    catalogue("local", archive="set.zip")
    Path("data/local/set.zip").write_bytes(packed())
    return tmp_path


def catalogue(name: str, **where: str) -> None:
    folder = Path("data", name)
    folder.mkdir(parents=True)
    entry = {"name": name, "title": "A set", **where, "sha256": hashlib.sha256(packed()).hexdigest()}
    entry |= {"unpacked_bytes": sum(map(len, FILES.values())), "licence": "CC0", "homepage": "-", "citation": "-"}
    (folder / "dataset.yaml").write_text(yaml.safe_dump(entry))
    lines = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(FILES.items())]
    (folder / "SHA256SUMS").write_text("".join(lines))


def run(dataset: str) -> None:
    download.main(SimpleNamespace(dataset=dataset))


def process(dataset: str, largest_file: int = resource.RLIM_INFINITY) -> subprocess.Popen:
    """The stage as DVC starts it."""
    text = Path("params.yaml").read_text().replace("dataset: maestro", f"dataset: {dataset}")
    Path("params.yaml").write_text(text)

    def prepare() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
        # Tests that run in a shell's background ignore Ctrl-C, and what they start would too.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    command = [sys.executable, "-m", "stages.download"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, preexec_fn=prepare)


def nothing_left() -> bool:
    return not Path("data/.download").exists()


# -- catalogued sets


def test_unpacks_the_archive_that_lies_there(capsys):
    run("local")
    assert tree(Path("data/raw")) == FILES
    assert nothing_left()
    assert "A set (CC0, -) from data/local/set.zip" in capsys.readouterr().out


def test_downloads_an_archive():
    with http_server.serving(http_server.whole(packed())) as server:
        catalogue("remote", url=server.url)
        run("remote")
    assert tree(Path("data/raw")) == FILES
    assert nothing_left()


@pytest.mark.parametrize("kind", ["url", "archive", "folder"])
def test_takes_a_mirror_instead(monkeypatch, kind):
    catalogue("remote", url="http://127.0.0.1:9/never-asked.zip")
    shutil.unpack_archive("data/local/set.zip", "unpacked")
    repacked = packed(dict(reversed(FILES.items())))
    Path("mirror.zip").write_bytes(repacked)
    with http_server.serving(http_server.whole(repacked)) as server:
        mirrors = {"url": server.url, "archive": "mirror.zip", "folder": "unpacked"}
        monkeypatch.setenv(download.MIRROR, mirrors[kind])
        run("remote")
    assert tree(Path("data/raw")) == FILES


def test_says_whether_the_archive_is_the_original(capsys, monkeypatch):
    run("local")
    assert "from the original archive" in capsys.readouterr().out
    Path("mirror.zip").write_bytes(packed(dict(reversed(FILES.items()))))
    monkeypatch.setenv(download.MIRROR, "mirror.zip")
    run("local")
    assert "from another copy" in capsys.readouterr().out


def test_replaces_what_is_there():
    Path("data/raw/old").mkdir(parents=True)
    Path("data/raw/old/a.midi").write_bytes(b"")
    run("local")
    assert tree(Path("data/raw")) == FILES
    assert nothing_left()


@pytest.mark.parametrize("before", [{}, {"old/a.midi": b"old"}])
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(packed()[:-30], id="truncated"),
        pytest.param(packed(FILES | {"set/two.midi": b"owt"}), id="one file changed"),
        pytest.param(packed(FILES | {"set/three.midi": b""}), id="one file too many"),
    ],
)
def test_a_wrong_archive_changes_nothing(monkeypatch, content, before):
    for name, old in before.items():
        Path("data/raw", name).parent.mkdir(parents=True)
        Path("data/raw", name).write_bytes(old)
    Path("mirror.zip").write_bytes(content)
    monkeypatch.setenv(download.MIRROR, "mirror.zip")
    with pytest.raises(InputError, match=r"^mirror.zip: .*; DATASET_MIRROR must name an unchanged copy.*local$"):
        run("local")
    assert tree(Path("data/raw")) == before
    assert nothing_left()


def test_without_a_network_it_names_the_ways_out():
    catalogue("remote", url="http://127.0.0.1:9/set.zip")
    with pytest.raises(InputError, match=r"9/set.zip: cannot be downloaded: .*DATASET_MIRROR.*`dataset: etudes`"):
        run("remote")
    assert not Path("data/raw").exists()
    assert nothing_left()


def test_does_not_take_more_than_an_archive_of_the_set_can_be():
    with http_server.serving(http_server.endless) as server:
        catalogue("remote", url=server.url)
        with pytest.raises(InputError, match="larger than"):
            run("remote")
    assert nothing_left()


# -- the user's own files


def test_copies_the_midi_files_of_a_folder():
    names = ["a.mid", "deep/er/B.MIDI", "deep/notes.txt", ".hidden.mid"]
    for name in names:
        Path("mine", name).parent.mkdir(parents=True, exist_ok=True)
        Path("mine", name).write_bytes(name.encode())
    run("../mine")
    assert tree(Path("data/raw")) == {"a.mid": b"a.mid", "deep/er/B.MIDI": b"deep/er/B.MIDI"}
    assert nothing_left()


def test_a_folder_without_midi_files_is_refused():
    Path("data/mine").mkdir()
    with pytest.raises(InputError, match=r"data/mine has no .mid or .midi files in it; use local or the path"):
        run("mine")
    with pytest.raises(InputError, match=r"data/nothing does not exist; use local or the path"):
        run("nothing")
    assert nothing_left()


@pytest.mark.parametrize("dataset", ["raw", "raw/deeper", ".", ".."])
def test_its_own_output_is_no_data_set(dataset):
    Path("data/raw/deeper").mkdir(parents=True)
    Path("data/raw/deeper/a.mid").write_bytes(b"")
    with pytest.raises(InputError, match="overlaps data/raw"):
        run(dataset)
    assert tree(Path("data/raw")) == {"deeper/a.mid": b""}


# -- as a process


def test_a_mistake_is_one_line_and_exit_status_1():
    stage = process("nothing")
    message = stage.communicate()[1]
    assert stage.returncode == 1
    assert message == (
        "error: dataset = 'nothing': data/nothing does not exist; use local or the path, from data/, of a folder with "
        ".mid or .midi files\n"
    )


@pytest.mark.parametrize(("stop", "status"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_a_run_that_is_stopped_leaves_nothing_that_counts(stop, status):
    reached, go_on = threading.Event(), threading.Event()
    with http_server.serving(
        http_server.stalled(packed(), 70_000, reached, go_on), http_server.whole(packed())
    ) as server:
        catalogue("remote", url=server.url)
        stage = process("remote")
        assert reached.wait(60)
        stage.send_signal(stop)
        message = stage.communicate()[1]
        go_on.set()
        assert stage.returncode == status
        assert not Path("data/raw").exists()
        if stop == signal.SIGINT:
            assert message.endswith("interrupted\n")
            assert nothing_left()
        run("remote")
    assert tree(Path("data/raw")) == FILES
    assert nothing_left()


def test_a_full_disk_is_one_line_and_loses_nothing():
    run("local")
    limit = 50_000  # bytes that any file may have, less than set/one.midi
    stage = process("local", largest_file=limit)
    message = stage.communicate()[1]
    assert stage.returncode == 1
    assert "error: " in message.splitlines()[-1] and "Traceback" not in message
    assert tree(Path("data/raw")) == FILES
    assert nothing_left()
