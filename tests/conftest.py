"""What several test modules share."""

import fcntl
import functools
import pickle
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from stages.utils.keras_setup import configure_keras
from tests.helpers.dvc_clone import commit, committed_copy, run, small_clone

settings.register_profile("no deadline", deadline=None)  # a busy machine is no failure
settings.load_profile("no deadline")

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
def rebuilt(tmp_path_factory, worker_id) -> tuple[Path, subprocess.CompletedProcess]:
    """A clone in which `dvc repro` has run, and what that printed.

    Of the processes that share the tests, the first one that needs it runs it, and each has a copy of its own.
    """
    own = tmp_path_factory.getbasetemp()
    place = (own if worker_id == "master" else own.parent) / "rebuilt"
    place.mkdir(exist_ok=True)
    original, printed = place / "clone", place / "printed.pickle"
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not printed.exists():
            result = run("dvc", "repro", cwd=small_clone(original))
            printed.write_bytes(pickle.dumps(result))
    repository = tmp_path_factory.mktemp("copy") / "clone"
    shutil.copytree(original, repository, symlinks=True)
    return repository, pickle.loads(printed.read_bytes())


@pytest.fixture(scope="session")
def shared(rebuilt, tmp_path_factory) -> Path:
    """A repository like `rebuilt`, whose run is committed and in the remote that travels with git."""
    repository = committed_copy(rebuilt[0], tmp_path_factory.mktemp("shared"))
    pushed = run("dvc", "push", "--remote", "bundled", cwd=repository)
    assert pushed.returncode == 0, pushed.stderr[-3000:]
    commit(repository)
    return repository


@pytest.fixture(scope="module")
def kept_samplers() -> Iterator[None]:
    """Keep the samplers that the tests of a module compile: that takes longer than the rest of most of these tests.

    A sampler has no state, so one that is used again does the same. There is one for each network and batch size, as
    TensorFlow compiles for batches of any size when it meets a second one, which takes a sampler's shapes away.
    """
    from stages.generation import generator

    make = functools.cache(lambda network, infill, batch_size: NoteSampler(network, infill))

    class KeptSampler:
        def __init__(self, network, infill: bool) -> None:
            self.of_size = functools.partial(make, network, infill)

        def predict_on_batch(self, inputs):
            return self.of_size(len(inputs["row"])).predict_on_batch(inputs)

    NoteSampler = generator.NoteSampler
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generator, "NoteSampler", KeptSampler)
        yield


@pytest.fixture
def uncompiled() -> Iterator[None]:
    """Let TensorFlow run what it would compile: for tests in which compiling takes longer than all the rest.

    Compiled programs are run in tests/unit/training/test_trainer.py, tests/unit/generation and tests/pipeline.
    """
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
