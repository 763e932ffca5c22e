"""Checkpoints: what is written is read; what is damaged, or of another run, is ignored."""

from dataclasses import replace

import numpy as np
import pytest

from stages.training.checkpoint import Checkpoint, SavedTraining, TrainingState, fingerprint
from stages.training.losses import LossSums

STATE = TrainingState(
    update=7,
    notes_seen=96,
    epoch_sums=LossSums(0.1, 32.0, 2 / 3, 8.0),
    best_epoch=1,
    best_loss=1 / 3,
    history=[{"epoch": 1, "learning_rate": 0.003, "train_infill_loss": float("nan")}],
)
SAVED = SavedTraining(
    STATE,
    variables=[np.full((2, 3), number, np.float32) for number in range(12)],
    best_weights=[np.arange(3, dtype=np.int64), np.float32(1.5)],
)


@pytest.fixture
def checkpoint(tmp_path):
    return Checkpoint(tmp_path / "models" / "training.npz", "fingerprint")


def test_what_is_written_is_read_exactly(checkpoint):
    assert checkpoint.read() is None
    checkpoint.write(SAVED)
    read = checkpoint.read()
    assert str(read.state) == str(STATE)  # as text, since NaN is not equal to itself
    for written, found in ((SAVED.variables, read.variables), (SAVED.best_weights, read.best_weights)):
        assert len(found) == len(written)
        for a, b in zip(written, found, strict=True):
            assert a.dtype == b.dtype and a.shape == b.shape and (a == b).all()


def test_the_latest_replaces_those_before(checkpoint):
    checkpoint.write(SAVED)
    checkpoint.write(replace(SAVED, state=TrainingState(update=8)))
    assert checkpoint.read().state.update == 8
    assert list(checkpoint.path.parent.iterdir()) == [checkpoint.path]


def test_discarding_removes_the_file(checkpoint):
    checkpoint.write(SAVED)
    checkpoint.discard()
    assert not checkpoint.path.exists() and checkpoint.read() is None
    checkpoint.discard()


@pytest.mark.parametrize("keep", [0, 100, 2000])
def test_a_damaged_file_is_ignored(checkpoint, keep, capsys):
    checkpoint.write(SAVED)
    checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:keep])
    assert checkpoint.read() is None
    assert "is damaged" in capsys.readouterr().err


def test_a_file_with_another_fingerprint_is_ignored(checkpoint, capsys):
    checkpoint.write(SAVED)
    assert Checkpoint(checkpoint.path, "another").read() is None
    assert "other settings, data, code or versions" in capsys.readouterr().err


def test_a_fingerprint_depends_on_the_settings_and_on_every_file(tmp_path):
    paths = [tmp_path / "data", tmp_path / "code"]
    for path in paths:
        path.write_text("content")
    first = fingerprint("settings", paths)
    assert fingerprint("settings", paths) == first
    assert fingerprint("other settings", paths) != first
    for path in paths:
        path.write_text("changed")
        assert fingerprint("settings", paths) != first
        path.write_text("content")
