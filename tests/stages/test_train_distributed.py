"""The stage that trains, on several devices and in several processes: as on one device."""

import json
import re
import shutil
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from stages import train
from stages.model.serialization import load_model
from stages.params.train import TrainParams
from stages.training import determinism
from stages.utils import paths
from stages.utils.errors import InputError
from tests.helpers.distributed_training import reduce_sizes
from tests.helpers.source_analysis import ROOT
from tests.helpers.training_process import TrainingProcess
from tests.stages.test_train import SMALL, write_music
from tests.unit.training.test_cluster import describe
from tests.unit.training.test_rendezvous import free_addresses

# Rounding errors grow from update to update, and less at a low learning rate.
PARAMS = SMALL | {
    "duration_pointers": False,
    "infill_fraction": 0.0,  # half as much to compile; test_distributed_updates.py has infill rows
    "epochs": 4,
    "steps_per_epoch": 50,
    "learning_rate": 0.001,
}


def start(folder: Path, environment: dict[str, str]) -> TrainingProcess:
    """Start the stage in a folder."""
    variables = {"PYTHONPATH": str(ROOT)} | environment
    return TrainingProcess("-m", "tests.helpers.distributed_training", "stage", folder=folder, environment=variables)


@pytest.fixture(scope="module")
def music(tmp_path_factory) -> Path:
    """A folder in which the stage can run."""
    folder = tmp_path_factory.mktemp("music")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_music()
    (folder / "params.yaml").write_text(yaml.safe_dump({"train": PARAMS}))
    return folder


@pytest.fixture
def on_one_device(music, tmp_path, monkeypatch) -> Path:
    """A folder in which the stage has run on one device."""
    folder = copy(music, tmp_path / "one")
    with monkeypatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(determinism, "single_thread_ops", lambda: None)  # other tests have started TensorFlow
        reduce_sizes(patch.setattr)
        train.main(TrainParams(**PARAMS))
    return folder


def copy(music: Path, folder: Path) -> Path:
    return Path(shutil.copytree(music, folder))


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def check_same(folder: Path, expected: Path) -> None:
    """Compare all that two runs have made."""
    assert files(folder) == files(expected)
    pd.testing.assert_frame_equal(
        pd.read_csv(folder / train.LOSS_HISTORY), pd.read_csv(expected / train.LOSS_HISTORY), rtol=2e-3
    )
    assert (folder / train.PARAMETERS).read_bytes() == (expected / train.PARAMETERS).read_bytes()
    found, reference = (load_model(place / paths.MODEL).get_weights() for place in (folder, expected))
    for weight, other in zip(found, reference, strict=True):
        assert np.linalg.norm(weight - other) < 0.02 * np.linalg.norm(other) + 1e-3


@pytest.mark.slow
def test_two_processes_of_which_one_is_killed_end_as_one_on_one_device(music, on_one_device, tmp_path):
    folders = [copy(music, tmp_path / name) for name in ("chief", "other")]

    def start_both() -> list[TrainingProcess]:
        cluster = {"worker": free_addresses(2)}
        return [start(folder, describe(cluster, index=index)) for index, folder in enumerate(folders)]

    chief, other = start_both()
    chief.read_until("epoch 2: ")  # so the checkpoint of epoch 1 is complete
    other.process.kill()
    assert (chief.read_to_end(), other.read_to_end()) == (1, -signal.SIGKILL)
    assert re.search("error: TF_CONFIG: another process of the cluster has ended or cannot be reached", chief.printed)
    assert "Traceback" not in chief.printed
    assert (folders[0] / paths.CHECKPOINT).exists() and not (folders[0] / paths.MODEL).exists()

    chief, other = start_both()
    assert (chief.read_to_end(), other.read_to_end()) == (0, 0), chief.printed + other.printed
    for training in (chief, other):
        assert re.search(r"resuming from the checkpoint after update \d{2,3}, in epoch [23]", training.printed)
    check_same(folders[0], on_one_device)
    assert files(folders[1]) == files(music)
    assert json.loads((folders[0] / train.ENVIRONMENT).read_text())["devices"] == 2


@pytest.mark.parametrize(
    "environment, changed, problem",
    [
        ({"TF_CONFIG": "{"}, {}, "TF_CONFIG: not JSON"),
        ({"TRAIN_DEVICES": "two"}, {}, "TRAIN_DEVICES = 'two': must be one or all"),
        ({"TRAIN_DEVICES": "all"}, {"backend": "jax"}, "TRAIN_DEVICES is set, but only train.backend: tensorflow"),
        (describe({"worker": ["a:1"]}), {"backend": "jax"}, "TF_CONFIG is set, but only train.backend: tensorflow"),
    ],
)
def test_what_cannot_be_is_refused_first(environment, changed, problem, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # there are no notes, and nobody has looked for them yet
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=problem):
        train.main(TrainParams(**SMALL | changed))
