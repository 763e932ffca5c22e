"""Stages run in the Python that DVC runs in, whatever `python` is on the path, or none."""

import shutil
import sys
from pathlib import Path

import pytest

from tests.helpers.dvc_clone import run, small_clone

BIN = Path(sys.prefix, "bin")
TOOLS = ("git", "head", "sed", "sh", "tr")


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    return small_clone(tmp_path_factory.mktemp("clone"))


@pytest.fixture(params=[False, True], ids=["no python", "another python"])
def path(request, tmp_path) -> str:
    """A PATH as before `activate`."""
    for tool in TOOLS:
        (tmp_path / tool).symlink_to(shutil.which(tool))
    if request.param:
        (tmp_path / "python").write_text("#!/bin/sh\necho a stranger; exit 1\n", encoding="utf-8")
        (tmp_path / "python").chmod(0o755)
    return str(tmp_path)


def check(repository: Path, *command: str, path: str, shell: str = "/bin/sh") -> None:
    """Run the stage `check` by a command of DVC."""
    result = run(*command, "--force", "check", cwd=repository, PATH=path, SHELL=shell, PWD=str(repository))
    assert result.returncode == 0, result.stderr
    assert "Running stage 'check'" in result.stdout


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="elsewhere an activated environment is asked for")
def test_an_environment_that_is_not_activated(repository, path):
    check(repository, str(BIN / "dvc"), "repro", path=path)
    (repository / ".venv").unlink(missing_ok=True)
    (repository / ".venv").symlink_to(sys.prefix)
    aside = [".venv/bin/python", "-m", "dvc", "exp", "run", "--temp"]
    check(repository, *aside, path=path, shell=shutil.which("bash"))


def test_an_activated_environment(repository, path):
    check(repository, "dvc", "repro", path=f"{BIN}:{path}")
