"""What is bundled, taken by somebody who has no clone: by its path or by a version's name, from any git address.

DVC reads the repository from the git address, and the objects from where the host serves the files of .dvc/bundled.
"""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.helpers.dvc_clone import run
from tests.helpers.http_server import serving_folder
from tests.helpers.servers import git_daemon, git_over_http

MODEL = "models/bilstm.keras"


@pytest.fixture(scope="module")
def bare(shared, tmp_path_factory) -> Path:
    """A bare repository with a version of the model, as a host keeps it."""
    folder = tmp_path_factory.mktemp("host") / "pianist.git"
    assert run("git", "clone", "-q", "--bare", str(shared), str(folder), cwd=shared).returncode == 0
    identity = ["-c", "user.name=t", "-c", "user.email=t@localhost"]
    assert run("git", *identity, "tag", "-a", "bilstm@v1.0.0", "-m", "first", cwd=folder).returncode == 0
    return folder


@pytest.fixture(scope="module")
def options(shared) -> Iterator[list[str]]:
    """The options that docs/sharing.md gives, with a static host of the repository's files."""
    with serving_folder(shared) as address:
        yield ["--remote", "web", "--remote-config", f"url={address}/.dvc/bundled"]


@pytest.fixture(params=["git", "http", "file", "bare", "checkout"])
def address(request, shared, bare) -> Iterator[str]:
    servers = {"git": git_daemon, "http": git_over_http}
    if request.param in servers:
        with servers[request.param](bare.parent) as server:
            yield f"{server}/{bare.name}"
    else:
        yield {"file": f"file://{bare}", "bare": str(bare), "checkout": str(shared)}[request.param]


def succeed(*command: str, cwd: Path) -> str:
    result = run(*command, cwd=cwd)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


def test_by_path_and_from_python(address, options, shared, tmp_path):
    expected = (shared / MODEL).read_bytes()
    succeed("dvc", "get", address, MODEL, "--out", "mine.keras", *options, cwd=tmp_path)
    assert (tmp_path / "mine.keras").read_bytes() == expected
    program = f"""
import dvc.api, sys
where = {{"repo": {address!r}, "remote": "web", "remote_config": {{"url": {options[-1].removeprefix("url=")!r}}}}}
with dvc.api.open({MODEL!r}, mode="rb", **where) as file:
    open("opened.keras", "wb").write(file.read())
"""
    succeed(sys.executable, "-c", program, cwd=tmp_path)
    assert (tmp_path / "opened.keras").read_bytes() == expected


def test_a_checkout_needs_no_options(shared, tmp_path):
    succeed("dvc", "get", str(shared), MODEL, "--out", "mine.keras", cwd=tmp_path)
    assert (tmp_path / "mine.keras").read_bytes() == (shared / MODEL).read_bytes()


def test_a_version_by_name(bare, options, shared, tmp_path):
    get = ["dvc", "artifacts", "get", f"file://{bare}", "bilstm", *options, "--out"]
    succeed(*get, "mine.keras", cwd=tmp_path)
    assert (tmp_path / "mine.keras").read_bytes() == (shared / MODEL).read_bytes()
    assert run(*get, "b.keras", "--rev", "v2.0.0", cwd=tmp_path).returncode != 0
    assert not (tmp_path / "b.keras").exists()


def test_an_import_remembers_where_it_came_from(bare, options, shared, tmp_path):
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        succeed(*command, cwd=tmp_path)
    succeed("dvc", "import", f"file://{bare}", MODEL, *options, cwd=tmp_path)
    got = tmp_path / "bilstm.keras"
    dependency = yaml.safe_load(got.with_suffix(".keras.dvc").read_text(encoding="utf-8"))["deps"][0]
    assert dependency["repo"]["config"]["remote"]["web"]["url"] == options[-1].removeprefix("url=")
    got.unlink()
    shutil.rmtree(tmp_path / ".dvc/cache")
    succeed("dvc", "pull", "bilstm.keras", cwd=tmp_path)
    assert got.read_bytes() == (shared / MODEL).read_bytes()


def test_a_remote_that_the_repository_names_needs_no_address(bare, options, shared, tmp_path):
    publisher = tmp_path / "publisher"
    succeed("git", "clone", "-q", str(bare), str(publisher), cwd=tmp_path)
    succeed("dvc", "remote", "add", "web", options[-1].removeprefix("url="), cwd=publisher)
    identity = ["-c", "user.name=t", "-c", "user.email=t@localhost"]
    succeed("git", *identity, "commit", "-qm", "Name where the files are served", ".dvc/config", cwd=publisher)
    succeed("dvc", "get", f"file://{publisher}", MODEL, "--remote", "web", cwd=tmp_path)
    assert (tmp_path / "bilstm.keras").read_bytes() == (shared / MODEL).read_bytes()


def test_a_repository_on_a_static_host_is_cloned_first(bare, shared, tmp_path):
    """Git reads a repository that is served as files; DVC by itself does not."""
    succeed("git", "update-server-info", cwd=bare)
    with serving_folder(bare.parent) as address:
        succeed("git", "clone", "-q", f"{address}/{bare.name}", "pianist", cwd=tmp_path)
    succeed("dvc", "get", "pianist", MODEL, cwd=tmp_path)
    assert (tmp_path / "bilstm.keras").read_bytes() == (shared / MODEL).read_bytes()


def test_the_model_is_loaded_outside_the_repository(bare, shared, tmp_path):
    """As the model card says."""
    shutil.copy(shared / MODEL, tmp_path)
    succeed("dvc", "get", f"file://{bare}", "stages", cwd=tmp_path)
    program = """
from pathlib import Path
from stages.model.serialization import load_model
network = load_model(Path("bilstm.keras"))
network.summary()
print(network.count_params())
"""
    summary = succeed(sys.executable, "-c", program, cwd=tmp_path)
    assert "forward_lstm (LSTM)" in summary
    assert int(summary.split()[-1]) > 10_000
