"""The stage that trains: its outputs, what it refuses, and the table of losses while it runs."""

import contextlib
import json
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from stages import train
from stages.model.serialization import load_model
from stages.params.train import TrainParams
from stages.representation.grid_encoding import decode
from stages.representation.note_table import sort_notes, write_notes
from stages.training import determinism, distribution
from stages.training.cluster import Cluster
from stages.training.losses import LOSS_SUMS
from stages.utils import paths
from stages.utils.errors import InputError
from tests.helpers.made_up_notes import random_fields
from tests.helpers.source_analysis import PLUMBING, ROOT, closure
from tests.helpers.training_process import TrainingProcess

pytestmark = pytest.mark.slow

SMALL = {
    "seed": 1,
    "lstm_units": 8,
    "trunk_units": 8,
    "head_units": 8,
    "duration_pointers": True,
    "batch_size": 4,
    "seq_len": 8,
    "stateful": True,
    "loss_on": "all",
    "infill_fraction": 0.5,
    "max_gap_notes": 4,
    "transpose_semitones": 3,
    "time_stretch": 0.05,
    "velocity_shift": 2,
    "dropout": 0.2,
    "epochs": 2,
    "steps_per_epoch": 3,
    "learning_rate": 0.01,
    "warmup_steps": 2,
    "weight_decay": 0.1,
    "clip_norm": 1.0,
    "patience": 5,
    "validation_max_notes": 16,
    "precision": "float32",
    "backend": "tensorflow",
}


def write_music(train_pieces: int = 3, validation_pieces: int = 2) -> None:
    """Write random notes to data/notes."""
    for path, count in ((train.TRAIN, train_pieces), (train.VALIDATION, validation_pieces)):
        tables = [decode(random_fields(piece, 40)).assign(piece=np.int32(piece)) for piece in range(max(count, 1))]
        notes = pd.concat(tables).drop_duplicates(["piece", "start", "pitch"])
        write_notes(path, sort_notes(notes) if count else notes[:0])


def read_losses() -> tuple[float, pd.DataFrame]:
    """Return the metric and the table."""
    return json.loads(train.LOSS.read_text())["loss"], pd.read_csv(train.LOSS_HISTORY)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch) -> None:
    """Run each test in a folder of its own, in a process whose TensorFlow other tests may have started already."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(determinism, "single_thread_ops", lambda: None)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A folder in which the stage has run."""
    folder = tmp_path_factory.mktemp("trained")
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setattr(determinism, "single_thread_ops", lambda: None)
        write_music()
        train.main(TrainParams(**SMALL))
    return folder


def test_the_model_and_the_reports(trained, monkeypatch):
    monkeypatch.chdir(trained)
    loss, history = read_losses()
    assert history["epoch"].tolist() == [1, 2]
    assert loss == pytest.approx(history["validation_loss"].min(), abs=1e-4)
    assert history["notes_seen"].is_monotonic_increasing
    fields = history[["validation_step", "validation_pitch", "validation_duration", "validation_velocity"]]
    assert fields.sum(axis=1).tolist() == pytest.approx(history["validation_loss"].tolist(), abs=1e-4)
    assert json.loads(train.LOSS.read_text()).keys() == {"loss"}
    assert json.loads(train.ENVIRONMENT.read_text())["keras"]
    assert not paths.CHECKPOINT.exists()

    network = load_model(paths.MODEL)
    parameters = pd.read_csv(train.PARAMETERS).set_index("weight")
    assert list(parameters.columns) == ["shape", "parameters"]
    assert parameters["parameters"].sum() == network.count_params()
    assert parameters.index.is_unique and len(parameters) == len(network.weights)
    assert parameters.loc["forward_lstm/recurrent_kernel"].tolist() == ["8x32", 256]


def test_without_validation_music_the_training_loss_is_the_metric(uncompiled):
    write_music(validation_pieces=0)
    train.main(TrainParams(**SMALL))
    loss, history = read_losses()
    assert loss == pytest.approx(history["train_loss"].min(), abs=1e-4)
    assert history["validation_loss"].isna().all()


def test_there_must_be_notes_to_train_on():
    write_music(train_pieces=0)
    with pytest.raises(InputError, match=r"train\.parquet: there are no notes to train on; .*validation_fraction"):
        train.main(TrainParams(**SMALL))


def test_training_that_diverges_names_the_learning_rate(monkeypatch):
    write_music()
    monkeypatch.setattr(
        "stages.training.training_model.TrainingModel.train_on_batch",
        lambda self, batch, return_dict: dict.fromkeys(LOSS_SUMS, np.nan),
    )
    with pytest.raises(InputError, match=r"train\.learning_rate = 0\.01: the training loss is not finite .*; lower it"):
        train.main(TrainParams(**SMALL))


def test_a_checkpoint_depends_on_data_and_on_all_code_but_plumbing():
    files = train.fingerprint_files()
    assert {train.TRAIN, train.VALIDATION} <= set(files) and len(files) == len(set(files))
    code = {path.relative_to(ROOT).as_posix() for path in files if path.is_absolute()}
    reached = closure("stages/train.py")
    assert reached - PLUMBING.keys() <= code
    assert "stages/params/train.py" in code
    others = {"stages/utils/", "stages/params/plot.py", "stages/evaluate.py", "stages/metrics/", "stages/generation/"}
    assert not [file for file in code if file.startswith(tuple(others))]


def test_the_losses_of_a_running_process_can_be_read():
    write_music()
    epochs = 400
    params = SMALL | {"epochs": epochs, "patience": epochs}
    Path("params.yaml").write_text(yaml.safe_dump({"train": params}))
    training = TrainingProcess()
    training.read_until("epoch 2: ")
    running = pd.read_csv(train.LOSS_HISTORY)  # the process is still training, and replaces the file meanwhile
    assert training.process.poll() is None
    assert 2 <= len(running) < epochs
    training.process.send_signal(signal.SIGINT)
    assert training.read_to_end() == 130
    assert "run the same command to resume" in training.printed
    interrupted = train.LOSS_HISTORY.read_bytes()
    assert interrupted.startswith(running.to_csv(index=False, float_format="%.6g").encode())
    assert not train.LOSS.exists() and not paths.MODEL.exists()


def test_hosts_compare_notes_that_are_in_several_files(monkeypatch):
    def compared() -> dict[str, str]:
        train._distribute(TrainParams(**SMALL), Cluster(("host:1",), 0), all_devices=False)
        return identities[-1]

    identities: list[dict[str, str]] = []
    monkeypatch.setattr(distribution, "join_cluster", lambda cluster, batch_size, identity: identities.append(identity))
    write_music()
    before = compared()
    part = train.TRAIN / "part-00000.parquet"
    train.TRAIN.rename(train.TRAIN.with_suffix(".moved"))
    train.TRAIN.mkdir()
    train.TRAIN.with_suffix(".moved").rename(part)
    same = compared()
    part.write_bytes(part.read_bytes() + b"?")
    other = compared()
    assert {name for name in before if other[name] != same[name]} == {str(train.TRAIN)}
    assert before["code in stages"] == same["code in stages"]
