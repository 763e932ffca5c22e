"""The stage extract on a real Dask cluster: a scheduler and workers, each a process, on 127.0.0.1."""

import os
import shutil
import signal
import subprocess
import sys
import zipfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from distributed import Client

from stages import extract
from stages.midi import midi_pool
from stages.params.extract import ExtractParams
from stages.utils import dask_cluster
from stages.utils.errors import InputError
from tests.helpers.servers import following, free_port
from tests.helpers.source_analysis import ROOT

pytestmark = pytest.mark.slow

DASK = [sys.executable, "-m", "dask"]

# Without names, so that they travel by value: the scheduler cannot import this module.
COUNT_TASKS_OF = lambda address, dask_scheduler: len(dask_scheduler.workers[address].processing)  # noqa: E731
COUNT_TASKS = lambda dask_scheduler: len(dask_scheduler.tasks)  # noqa: E731


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    """The address of a scheduler that runs in an empty folder, where it has none of the project's code."""
    port = free_port()
    command = [*DASK, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    with following(command, "Scheduler at", tmp_path_factory.mktemp("empty")):
        yield f"tcp://127.0.0.1:{port}"


def worker(scheduler):
    options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1"]
    return following([*DASK, "worker", scheduler, *options], "Registered to", ROOT)


@pytest.fixture(scope="module")
def cluster(scheduler):
    """The address of a scheduler with two workers."""
    with ExitStack() as workers:
        for _ in range(2):
            workers.enter_context(worker(scheduler))
        yield scheduler


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A folder with the étude corpus, one file of which is damaged."""
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile(ROOT / "data/etudes/etudes.zip") as archive:
        archive.extractall("data/raw")
    damaged = sorted(Path("data/raw").rglob("*.midi"))[7]
    damaged.write_bytes(damaged.read_bytes()[:99])
    shutil.copy(ROOT / "params.yaml", ".")
    return tmp_path


def use(monkeypatch, address):
    monkeypatch.setenv(dask_cluster.ADDRESS_VARIABLE, address)
    monkeypatch.setattr(midi_pool, "_read_here", None)  # fails if files are read here


def results(paths) -> list:
    return [
        result
        if isinstance(result, str)
        else {name: (values.dtype, values.tolist()) for name, values in result.items()}
        for result in midi_pool.read_midi_files(paths)
    ]


def outputs() -> dict[str, bytes]:
    files = [path for folder in ("data/notes", "reports") for path in Path(folder).rglob("*")]
    return {str(path): path.read_bytes() for path in files}


def test_a_cluster_without_workers_is_one_line(scheduler, repository, monkeypatch):
    use(monkeypatch, scheduler)
    monkeypatch.setattr(dask_cluster, "PATIENCE_SECONDS", 0.1)
    with pytest.raises(InputError, match=rf"^DASK_SCHEDULER_ADDRESS = {scheduler}: the cluster has no workers; start "):
        results([Path("params.yaml")])


def test_every_output_has_the_same_bytes(cluster, repository, monkeypatch):
    run = partial(extract.main, ExtractParams(validation_fraction=0.2, test_fraction=0.2, max_unreadable_fraction=0.5))
    run()
    expected = outputs()
    assert len(expected) == 8 and b"midi" in expected["reports/unreadable.csv"]
    shutil.rmtree("data/notes")
    use(monkeypatch, cluster)
    run()
    assert outputs() == expected


def test_a_worker_that_is_killed_loses_nothing(cluster, repository, monkeypatch):
    paths = sorted(Path("data/raw").rglob("*.midi"))
    expected = results(paths)
    use(monkeypatch, cluster)
    monkeypatch.setattr(midi_pool, "FILES_PER_TASK", 1)
    monkeypatch.setattr(midi_pool, "TASKS_PER_WORKER", 20)
    with worker(cluster), Client(cluster, set_as_default=False) as client:
        address, victim = list(client.run(os.getpid).items())[-1]

        def kill_in_the_middle():
            # All files are sent before the first result is waited for. What the worker gets in between, it never does.
            for number, path in enumerate(paths):
                if number == 0:
                    os.kill(victim, signal.SIGSTOP)
                if number == 30:
                    while not client.run_on_scheduler(COUNT_TASKS_OF, address):
                        pass  # until what was sent has arrived
                    os.kill(victim, signal.SIGKILL)
                yield path

        assert results(kill_in_the_middle()) == expected


def test_ctrl_c_ends_it_and_leaves_no_tasks(cluster, repository):
    with Client(cluster, set_as_default=False) as client:
        while client.run_on_scheduler(COUNT_TASKS):
            pass  # until those of the last test are forgotten
        workers = client.run(os.getpid).values()
        for process in workers:
            os.kill(process, signal.SIGSTOP)
        stage = subprocess.Popen(
            [sys.executable, str(ROOT / "stages"), "extract"],
            env=os.environ | {dask_cluster.ADDRESS_VARIABLE: cluster},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # which `command &` in a script ignores
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            while not client.run_on_scheduler(COUNT_TASKS):
                assert stage.poll() is None
            stage.send_signal(signal.SIGINT)
            _, stderr = stage.communicate()
            assert stage.returncode == 130 and stderr.splitlines()[-1] == "interrupted"
            while client.run_on_scheduler(COUNT_TASKS):
                pass
        finally:
            stage.kill()
            for process in workers:
                os.kill(process, signal.SIGCONT)
    assert not list(Path("data/notes").iterdir())


def test_a_worker_with_other_code_is_refused(cluster, repository, monkeypatch):
    use(monkeypatch, cluster)
    found = dask_cluster.code_versions("stages.midi.midi_pool")
    monkeypatch.setattr(dask_cluster, "code_versions", lambda module: found | {"numpy": "1.0", "stages/midi": "abc"})
    has = rf"numpy {np.__version__} instead of 1\.0, stages/midi [0-9a-f]{{12}} instead of abc"
    with pytest.raises(InputError, match=rf"^the Dask worker tcp://127\.0\.0\.1:\d+ has {has}; start "):
        results([Path("params.yaml")])


def test_code_that_a_worker_cannot_import_is_one_line(cluster, tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("def double(number): return 2 * number\n")
    monkeypatch.syspath_prepend(tmp_path)
    import only_here

    with dask_cluster.dask_cluster(cluster) as workers:
        message = (
            r"^DASK_SCHEDULER_ADDRESS = tcp://.*: a worker cannot import the project's code \(No module named 'only"
        )
        with pytest.raises(InputError, match=message):
            workers.submit(only_here.double, 3).result()
        with pytest.raises(ZeroDivisionError):  # a defect stays one
            workers.submit(midi_pool.parse_batch, _Unusable()).result()


class _Unusable:
    def __reduce__(self):
        return divmod, (1, 0)


def test_the_room_of_a_function_decides_its_version(tmp_path, monkeypatch):
    for name in ("one", "two"):
        room = tmp_path / f"room_{name}"
        room.mkdir()
        (room / "__init__.py").touch()
        (room / "module.py").write_text("x = 1\n")
    (tmp_path / "room_two/other.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    one, two = (dask_cluster.code_versions(f"room_{name}.module") for name in ("one", "two"))
    assert one["numpy"] == np.__version__ and one["Python"] == f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert one["stages/room_one"] != two["stages/room_two"]


@pytest.mark.parametrize(
    "address",
    ["nonsense", "ftp://127.0.0.1:1", f"tcp://127.0.0.1:{free_port()}"],
    ids=["no address", "another protocol", "nobody there"],  # the same ones in every process that runs tests
)
def test_a_scheduler_that_does_not_answer_is_one_line(address, repository, monkeypatch):
    use(monkeypatch, address)
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 0.2)
    with pytest.raises(
        InputError, match=rf"^DASK_SCHEDULER_ADDRESS = {address}: no Dask scheduler answers \(.+\); start"
    ):
        results([Path("params.yaml")])


def test_without_the_package_it_says_what_to_install(repository, monkeypatch):
    use(monkeypatch, "tcp://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"no package distributed: `pip install -r requirements-dask\.txt`, or unset"):
        results([Path("params.yaml")])
