"""Training that is killed or interrupted goes on where it was and ends with the very bytes of an unbroken run.

All through real `dvc repro`, in temporary clones.
"""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.helpers.dvc_clone import change, cut_down, environment, run, small_clone

EPOCHS = 12
RESULTS = ["models/bilstm.keras", "reports/training.json", "reports/loss.csv"]
CHECKPOINT = "models/.checkpoint/training.npz"


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory) -> dict[str, bytes]:
    """What an undisturbed training makes."""
    repository = small_clone(tmp_path_factory.mktemp("unbroken"), train={"epochs": EPOCHS})
    result = run("dvc", "repro", "train", cwd=repository)
    assert result.returncode == 0, result.stderr[-3000:]
    assert not (repository / CHECKPOINT).exists()
    return {name: (repository / name).read_bytes() for name in RESULTS}


class Training:
    """A training under way, in a process group of its own."""

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
        """Follow what it prints until that matches; fails when it ends first."""
        while not re.search(pattern, self.printed):
            new = os.read(self.process.stdout.fileno(), 4096)
            assert new, f"ended without printing {pattern}:\n{self.printed}"
            self.printed += new.decode(errors="replace")

    def read_to_end(self) -> None:
        """Follow it until all processes that print to it have ended."""
        while new := os.read(self.process.stdout.fileno(), 4096):
            self.printed += new.decode(errors="replace")
        self.process.wait()


def test_killed_with_everything_it_started(tmp_path, unbroken):
    repository = small_clone(tmp_path, train={"epochs": EPOCHS})
    training = Training(repository)
    training.read_until("epoch 3: ")
    training.read_until("epoch 4: ")  # so the checkpoint after epoch 3 is whole, and one is perhaps being written
    os.killpg(training.process.pid, signal.SIGKILL)
    training.read_to_end()
    assert not (repository / RESULTS[0]).exists()
    _goes_on_to(repository, unbroken)


def test_interrupted_by_ctrl_c(tmp_path, unbroken):
    repository = small_clone(tmp_path, train={"epochs": EPOCHS})
    training = Training(repository)
    training.read_until("epoch 2: ")
    os.killpg(training.process.pid, signal.SIGINT)  # as a terminal does
    training.read_to_end()
    assert training.process.returncode != 0
    assert "asked to end after update" in training.printed
    assert "interrupted" in training.printed and "Traceback" not in training.printed
    _goes_on_to(repository, unbroken)


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])  # the one waits for the stage, the other becomes it
def test_abandoned_by_dvc(tmp_path, shell):
    """DVC, when it is terminated, leaves the training running, which must end by itself and lose nothing."""
    repository = small_clone(tmp_path, train={"epochs": 600, "patience": 600})
    training = Training(repository, SHELL=shell)
    training.read_until("epoch 1: ")
    training.process.terminate()
    training.read_to_end()  # would not return if the training went on
    assert "asked to end after update" in training.printed
    assert (repository / CHECKPOINT).exists()


@pytest.mark.parametrize("changed", ["setting", "code", "data"])
def test_what_no_longer_fits_is_not_gone_on_from(tmp_path, changed):
    repository = small_clone(tmp_path, train={"epochs": EPOCHS})
    training = Training(repository)
    training.read_until("epoch 2: ")
    os.killpg(training.process.pid, signal.SIGKILL)
    training.read_to_end()
    if changed == "setting":
        change(repository, train={"learning_rate": 0.002})
    elif changed == "data":
        cut_down(repository / "data/cut", train=7)
    else:
        path = repository / "stages/training/trainer.py"
        path.write_text(path.read_text(encoding="utf-8") + "\n# another version\n", encoding="utf-8")
    training = Training(repository)
    training.read_until("of other settings, data or code; training starts anew")
    os.killpg(training.process.pid, signal.SIGKILL)
    training.read_to_end()


def _goes_on_to(repository: Path, expected: dict[str, bytes]) -> None:
    result = run("dvc", "repro", "train", cwd=repository)
    assert result.returncode == 0, result.stderr[-3000:]
    assert "going on from the checkpoint after update" in result.stdout + result.stderr
    assert {name: (repository / name).read_bytes() for name in RESULTS} == expected
    assert not (repository / CHECKPOINT).exists()
    assert list((repository / CHECKPOINT).parent.glob("*")) == []
