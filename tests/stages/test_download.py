"""The stage download: data/raw holds all of a data set or stays as it was."""

import hashlib
import io
import resource
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

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
    """Make a folder to work in, with the catalog's data set `local`, whose archive is in its folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(download.MIRROR_VARIABLE, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(archive, "RETRY_DELAYS", (0,))
    shutil.copy(ROOT / "params.yaml", tmp_path)
    add_to_catalog("local", archive="set.zip")
    Path("data/local/set.zip").write_bytes(packed())
    return tmp_path


def add_to_catalog(name: str, **where: str) -> None:
    folder = Path("data", name)
    folder.mkdir(parents=True)
    record = {"name": name, "title": "A set", **where, "sha256": hashlib.sha256(packed()).hexdigest()}
    record |= {"unpacked_bytes": sum(map(len, FILES.values())), "licence": "CC0", "homepage": "-", "citation": "-"}
    (folder / "dataset.yaml").write_text(yaml.safe_dump(record))
    lines = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(FILES.items())]
    (folder / "SHA256SUMS").write_text("".join(lines))


def run(dataset: str) -> None:
    download.main(dataset)


def process(dataset: str, max_file_bytes: int = resource.RLIM_INFINITY) -> subprocess.Popen:
    """Start the stage as DVC does."""
    text = Path("params.yaml").read_text().replace("dataset: maestro", f"dataset: {dataset}")
    Path("params.yaml").write_text(text)

    def prepare() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (max_file_bytes, max_file_bytes))
        # Tests that run in a shell's background ignore Ctrl-C, and what they start would too.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    command = [sys.executable, str(ROOT / "stages"), "download"]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=prepare)


def no_temporary_files() -> bool:
    return not list(Path("data").glob(".*")) and not list(Path("data").rglob(download.DOWNLOADED_ARCHIVE))


# -- data sets of the catalog


def test_unpacks_a_local_archive(capsys):
    run("local")
    assert tree(Path("data/raw")) == FILES
    assert no_temporary_files()
    assert "A set (CC0, -) from data/local/set.zip" in capsys.readouterr().out


def test_downloads_an_archive():
    with http_server.serving(http_server.whole(packed())) as server:
        add_to_catalog("remote", url=server.url)
        run("remote")
    assert tree(Path("data/raw")) == FILES
    assert no_temporary_files()


@pytest.mark.parametrize("kind", ["url", "archive", "folder"])
def test_a_mirror_replaces_the_address(monkeypatch, kind):
    add_to_catalog("remote", url="http://127.0.0.1:9/never-asked.zip")
    shutil.unpack_archive("data/local/set.zip", "unpacked")
    repacked = packed(dict(reversed(FILES.items())))
    Path("mirror.zip").write_bytes(repacked)
    with http_server.serving(http_server.whole(repacked)) as server:
        mirrors = {"url": server.url, "archive": "mirror.zip", "folder": "unpacked"}
        monkeypatch.setenv(download.MIRROR_VARIABLE, mirrors[kind])
        run("remote")
    assert tree(Path("data/raw")) == FILES


def test_prints_whether_the_archive_is_the_original(capsys, monkeypatch):
    run("local")
    assert "from the original archive" in capsys.readouterr().out
    Path("mirror.zip").write_bytes(packed(dict(reversed(FILES.items()))))
    monkeypatch.setenv(download.MIRROR_VARIABLE, "mirror.zip")
    run("local")
    assert "from another copy" in capsys.readouterr().out


def test_replaces_an_older_data_set():
    Path("data/raw/old").mkdir(parents=True)
    Path("data/raw/old/a.midi").write_bytes(b"")
    run("local")
    assert tree(Path("data/raw")) == FILES
    assert no_temporary_files()


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
    monkeypatch.setenv(download.MIRROR_VARIABLE, "mirror.zip")
    with pytest.raises(InputError, match=r"^mirror.zip: .*; DATASET_MIRROR must name an unchanged copy.*local$"):
        run("local")
    assert tree(Path("data/raw")) == before
    assert no_temporary_files()


def test_without_a_network_the_error_names_the_alternatives():
    add_to_catalog("remote", url="http://127.0.0.1:9/set.zip")
    with pytest.raises(InputError, match=r"9/set.zip: cannot be downloaded: .*DATASET_MIRROR.*`dataset: etudes`"):
        run("remote")
    assert not Path("data/raw").exists()
    assert no_temporary_files()


def test_downloads_no_more_than_the_archive_can_hold():
    with http_server.serving(http_server.endless) as server:
        add_to_catalog("remote", url=server.url)
        with pytest.raises(InputError, match="larger than"):
            run("remote")
    assert no_temporary_files()


# -- the user's own files


def test_copies_the_midi_files_of_a_folder():
    names = ["a.mid", "deep/er/B.MIDI", "deep/c.kar", "d.RMI", "deep/notes.txt", ".hidden.mid"]
    for name in names:
        Path("data/own", name).parent.mkdir(parents=True, exist_ok=True)
        Path("data/own", name).write_bytes(name.encode())
    run("own")
    assert tree(Path("data/raw")) == {name: name.encode() for name in names[:4]}
    assert no_temporary_files()


def test_a_folder_without_midi_files_is_rejected():
    Path("data/own").mkdir()
    with pytest.raises(InputError, match=r"dataset: there are no MIDI files in data/own; put .mid files into data/own"):
        run("own")
    assert no_temporary_files()


# -- as a process


def test_an_input_error_is_one_line_and_exit_status_1():
    stage = process("nothing")
    message = stage.communicate()[1]
    assert stage.returncode == 1
    assert message == (
        "error: dataset = 'nothing': must be local, own for your own files in data/own, or own/FOLDER for a folder"
        " there; `dvc add --out data/own/FOLDER PATH` takes one from elsewhere\n"
    )


@pytest.mark.parametrize(("stop", "status"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_a_stopped_run_leaves_no_partial_output(stop, status):
    reached, resume = threading.Event(), threading.Event()
    with http_server.serving(
        http_server.stalled(packed(), 70_000, reached, resume), http_server.whole(packed())
    ) as server:
        add_to_catalog("remote", url=server.url)
        stage = process("remote")
        assert reached.wait(60)
        stage.send_signal(stop)
        message = stage.communicate()[1]
        resume.set()
        assert stage.returncode == status
        assert not Path("data/raw").exists()
        if stop == signal.SIGINT:
            assert message.endswith("interrupted\n")
            assert no_temporary_files()
        run("remote")
    assert tree(Path("data/raw")) == FILES
    assert no_temporary_files()


def test_a_full_disk_is_one_line_and_keeps_the_old_output():
    run("local")
    limit = 50_000  # the most bytes of any file, less than set/one.midi
    stage = process("local", max_file_bytes=limit)
    message = stage.communicate()[1]
    assert stage.returncode == 1
    assert "error: " in message.splitlines()[-1] and "Traceback" not in message
    assert tree(Path("data/raw")) == FILES
    assert no_temporary_files()
