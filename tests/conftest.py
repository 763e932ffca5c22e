"""What several test modules share."""

import subprocess
from pathlib import Path

import pytest

from tests.clones import run, small_clone


@pytest.fixture(scope="session")
def rebuilt(tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess]:
    """A clone in which `dvc repro` has run, and what that printed."""
    repository = small_clone(tmp_path_factory.mktemp("clone"))
    return repository, run("dvc", "repro", cwd=repository)
