"""What several test modules share."""

import subprocess
from pathlib import Path

import pytest

from stages.utils.keras_setup import configure_keras
from tests.helpers.dvc_clone import commit, committed_copy, run, small_clone

PIPELINE = Path(__file__).parent / "pipeline"

configure_keras()  # test modules import Keras, whatever configuration this machine has


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that run DVC in a clone or open a browser."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if PIPELINE in item.path.parents or {"rebuilt", "shared"} & fixtures:
            item.add_marker(pytest.mark.dvc)
            item.add_marker(pytest.mark.slow)
        if "chromium" in fixtures:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def rebuilt(tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess]:
    """A clone in which `dvc repro` has run, and what that printed."""
    repository = small_clone(tmp_path_factory.mktemp("clone"))
    return repository, run("dvc", "repro", cwd=repository)


@pytest.fixture(scope="session")
def shared(rebuilt, tmp_path_factory) -> Path:
    """A repository like `rebuilt`, whose run is committed and in the remote that travels with git."""
    repository = committed_copy(rebuilt[0], tmp_path_factory.mktemp("shared"))
    pushed = run("dvc", "push", "--remote", "bundled", cwd=repository)
    assert pushed.returncode == 0, pushed.stderr[-3000:]
    commit(repository)
    return repository
