"""Training that is killed or interrupted is resumed, and ends with the bytes of an uninterrupted run.

All tests run `dvc repro` in temporary clones.
"""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.helpers.dvc_clone import change, environment, run, small_clone, small_dataset

EPOCHS = 12
RESULTS = ["models/bilstm.keras", "reports/loss.json", "reports/loss.csv", "reports/parameters.csv"]
CHECKPOINT = "models/.checkpoint/training.npz"


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> dict[str, bytes]:
    """Return what an uninterrupted training makes."""
    repository = small_clone(tmp_path_factory.mktemp("uninterrupted"), train={"epochs": EPOCHS})
    result = run("dvc", "repro", "train", cwd=repository)
    assert result.returncode == 0, result.stderr[-3000:]
    assert not (repository / CHECKPOINT).exists()
    return {name: (repository / name).read_bytes() for name in RESULTS}


class Training:
    """A `dvc repro train` that runs, in a process group of its own."""

    def __init__(self, repository: Path, **variables: str) -> None:
        self.process = subprocess.Popen(
            ["dvc", "repro", "train"],
            cwd=repository,
            env=environment(**variables),
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.printed = ""

    def read_until(self, pattern: str) -> None:
        """Read what it prints until that matches; fail if it ends before."""
        while not re.search(pattern, self.printed):
            new = os.read(self.process.stdout.fileno(), 4096)
            assert new, f"ended without printing {pattern}:\n{self.printed}"
            self.printed += new.decode(errors="replace")

    def read_to_end(self) -> None:
        """Read until all processes that print to it have ended."""
        while new := os.read(self.process.stdout.fileno(), 4096):
            self.printed += new.decode(errors="replace")
        self.process.wait()


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> Path:
    """Return a clone whose training was killed with all its processes, which left a checkpoint."""
    repository = small_clone(tmp_path_factory.mktemp("killed"), train={"epochs": EPOCHS})
    training = Training(repository)
    training.read_until("epoch 3: ")
    training.read_until("epoch 4: ")  # so the checkpoint of epoch 3 is complete, and another may be in the making
    os.killpg(training.process.pid, signal.SIGKILL)
    training.read_to_end()
    assert not (repository / RESULTS[0]).exists()
    return repository


def test_killed_with_all_its_processes_and_then_interrupted_by_ctrl_c(tmp_path, killed, uninterrupted):
    """Resumed twice, the second time after a change of comments in the plumbing."""
    repository = shutil.copytree(killed, tmp_path / "clone")
    training = Training(repository)
    training.read_until("resuming from the checkpoint after update")
    training.read_until("epoch 7: ")
    os.killpg(training.process.pid, signal.SIGINT)  # as a terminal does
    training.read_to_end()
    assert training.process.returncode != 0
    assert re.search(r"stopped after update \d+; run the same command to resume", training.printed)
    assert "interrupted" in training.printed and "Traceback" not in training.printed
    losses = (repository / "reports/loss.csv").read_bytes()
    assert losses.count(b"\n") > 7 and uninterrupted["reports/loss.csv"].startswith(losses)
    for name in ("stages/utils/atomic.py", "stages/params/plot.py"):
        path = repository / name
        path.write_text(path.read_text(encoding="utf-8") + "\n# another version\n", encoding="utf-8")
    result = run("dvc", "repro", "train", cwd=repository)
    assert result.returncode == 0, result.stderr[-3000:]
    assert "resuming from the checkpoint after update" in result.stdout + result.stderr
    assert {name: (repository / name).read_bytes() for name in RESULTS} == uninterrupted
    assert list((repository / CHECKPOINT).parent.glob("*")) == []


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])  # one waits for the stage, the other becomes it
def test_left_running_by_dvc(tmp_path, shell):
    """DVC, when it is terminated, leaves the training running, which must stop by itself and keep a checkpoint."""
    repository = small_clone(tmp_path, train={"epochs": 600, "patience": 600})
    training = Training(repository, SHELL=shell)
    training.read_until("epoch 1: ")
    training.process.terminate()
    training.read_to_end()  # would not return if the training went on
    assert "stopped after update" in training.printed
    assert (repository / CHECKPOINT).exists()


@pytest.mark.parametrize("changed", ["setting", "code", "data"])
def test_a_checkpoint_of_other_settings_data_or_code_is_not_resumed(tmp_path, killed, changed):
    repository = shutil.copytree(killed, tmp_path / "clone")
    if changed == "setting":
        change(repository, train={"learning_rate": 0.002})
    elif changed == "data":
        small_dataset(repository / "data/own/small", train=7)
    else:
        path = repository / "stages/training/trainer.py"
        path.write_text(path.read_text(encoding="utf-8") + "\n# another version\n", encoding="utf-8")
    training = Training(repository)
    training.read_until("made with other settings, data, code or versions; training starts from the beginning")
    os.killpg(training.process.pid, signal.SIGKILL)
    training.read_to_end()
