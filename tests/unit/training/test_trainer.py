"""Training learns, stops early, and after an interruption ends with the weights of an uninterrupted run."""

import copy
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import islice

import numpy as np
import pandas as pd
import pytest

from stages.model.bilstm import BiLSTM
from stages.model.likelihood import make_scorer
from stages.training import determinism
from stages.training.checkpoint import Checkpoint
from stages.training.data import BatchConfig, TrainingPiece, training_batches
from stages.training.losses import LOSS_SUMS
from stages.training.trainer import Trainer, TrainingConfig
from stages.training.training_model import TrainingModel
from stages.utils.csv_io import write_csv
from tests.helpers.made_up_notes import random_fields

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]  # tests/stages/test_train.py runs the same lines

CONFIG = TrainingConfig(
    notes_per_update=32,
    epochs=4,
    steps_per_epoch=3,
    learning_rate=0.01,
    warmup_steps=2,
    weight_decay=0.1,
    clip_norm=1.0,
    patience=9,
)
BATCHES = BatchConfig(
    seed=1,
    batch_size=4,
    seq_len=8,
    infill_fraction=0.5,
    max_gap_notes=4,
    transpose_semitones=3,
    time_stretch=0.0,
)
COLUMNS = [
    "epoch",
    "learning_rate",
    "notes_seen",
    "train_loss",
    "train_infill_loss",
    "validation_loss",
    "validation_step",
    "validation_pitch",
    "validation_duration",
    "validation_velocity",
]


class Interrupted(Exception):
    """Stands for whatever ends a process in the middle of training."""


def ignore_stretch(fields, stretch):
    return fields


def losses(total):
    return {"total": total, "step": 0.5, "pitch": 0.5, "duration": 0.5, "velocity": 0.5}


def interrupt(batches, updates):
    """The first so many batches, then an interruption."""
    yield from islice(batches, updates)
    raise Interrupted


class ReusedModel(TrainingModel):
    """A training model that many trainings share: compiling an update takes ten seconds, and running it none.

    Each time that a trainer compiles it, all of its variables and those of its optimizer are as they were at first.
    """

    def compile(self, *arguments, **options):
        if not self.compiled:
            super().compile(*arguments, **options)
            self.optimizer.build(self.trainable_variables)
            self.first_values = [variable.numpy() for variable in self._all_variables()]
        for variable, value in zip(self._all_variables(), self.first_values, strict=True):
            variable.assign(value)

    def _all_variables(self):
        return [*self.variables, *self.metrics_variables, *self.optimizer.variables]


@cache
def make_model(schedule, batch_size, infill_batch_size):
    """Return a model and its scorer for what is compiled; the same ones each time."""
    determinism.make_reproducible(5)
    network = BiLSTM(lstm_units=8, trunk_units=8, head_units=8, max_gap_notes=4)
    return ReusedModel(network, batch_size, dropout=0.2), make_scorer(network)


@dataclass
class Run:
    """A training of a tiny network on random notes."""

    path: object
    config: TrainingConfig = CONFIG
    batches: BatchConfig = BATCHES
    pieces: list = field(default_factory=lambda: [random_fields(seed, 40) for seed in range(5)])
    validate: object = None
    fingerprint: str = "same"
    interrupt_after: int | None = None
    on_epoch: object = len

    def train(self):
        """The state and the weights at the end."""
        # Of the number of epochs and updates only their product goes into what is compiled.
        updates = self.config.epochs * self.config.steps_per_epoch
        schedule = replace(self.config, epochs=updates, steps_per_epoch=1, patience=1)
        model, score = make_model(schedule, self.batches.batch_size, self.batches.infill_batch_size)
        trainer = Trainer(
            model,
            self.config,
            self.validate or (lambda: score(self.pieces[:2]).mean()),
            Checkpoint(self.path, self.fingerprint),
            self.on_epoch,
        )
        return trainer.train(self._make_batches), model.network.get_weights()

    def _make_batches(self, skip):
        pieces = [TrainingPiece(len(piece), partial(ignore_stretch, piece)) for piece in self.pieces]
        batches = training_batches(pieces, self.batches, skip)
        return batches if self.interrupt_after is None else interrupt(batches, self.interrupt_after)


def same(weights, others):
    return all((a == b).all() for a, b in zip(weights, others, strict=True))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The state and the weights at the end of an uninterrupted run, and the history that it handed over each time."""
    histories = []
    run = Run(
        tmp_path_factory.mktemp("run") / "c.npz", on_epoch=lambda history: histories.append(copy.deepcopy(history))
    )
    return *run.train(), histories


def test_training_learns(tmp_path):
    # All notes are alike: a network that has learnt them needs hardly a nat; a uniform distribution some 20.
    piece = np.tile(np.array([[20, 40, 10, 16]], np.int32), (200, 1))
    state, _ = Run(
        tmp_path / "c.npz",
        replace(CONFIG, epochs=4, steps_per_epoch=40, learning_rate=0.03),
        replace(BATCHES, transpose_semitones=0),
        pieces=[piece] * 2,
    ).train()
    assert state.history[0]["train_loss"] > 2
    assert state.history[-1]["train_loss"] < 1
    assert state.history[-1]["train_infill_loss"] < 1
    assert state.history[-1]["validation_loss"] < 1


@pytest.mark.parametrize("interrupt_after", [4, 6, 11])
def test_an_interrupted_run_ends_with_the_same_weights(tmp_path, uninterrupted, interrupt_after):
    """In the same process; tests/pipeline/test_interruption.py resumes in another one."""
    state, weights, _ = uninterrupted
    with pytest.raises(Interrupted):
        Run(tmp_path / "c.npz", interrupt_after=interrupt_after).train()
    resumed_state, resumed_weights = Run(tmp_path / "c.npz").train()
    assert same(weights, resumed_weights)
    assert resumed_state == state


@pytest.mark.parametrize("damage", ["torn", "empty", "another fingerprint"])
def test_a_checkpoint_that_does_not_fit_is_ignored(tmp_path, uninterrupted, damage, capsys):
    path = tmp_path / "c.npz"
    _, weights, _ = uninterrupted
    with pytest.raises(Interrupted):
        Run(path, interrupt_after=7, fingerprint="other" if damage == "another fingerprint" else "same").train()
    if damage != "another fingerprint":
        path.write_bytes(path.read_bytes()[:5000] if damage == "torn" else b"")
    _, weights_from_the_beginning = Run(path).train()
    assert same(weights, weights_from_the_beginning)
    assert "training starts from the beginning" in capsys.readouterr().err


def test_stops_early_and_keeps_the_best_weights(tmp_path):
    config = replace(CONFIG, epochs=6, steps_per_epoch=2, patience=3)
    totals = iter([3.0, 2.0, 2.5, 2.4, 2.3, 1.0])
    state, weights = Run(tmp_path / "c.npz", config, validate=lambda: losses(next(totals))).train()
    assert (state.best_epoch, state.best_loss, len(state.history)) == (2, 2.0, 5)
    # It keeps the network of the second epoch, where a run of two epochs with the same schedule would end.
    with pytest.raises(Interrupted):
        Run(tmp_path / "two.npz", config, interrupt_after=4).train()
    saved = Checkpoint(tmp_path / "two.npz", "same").read()
    assert saved.state.best_epoch == 2
    assert same(weights, saved.best_weights)


def test_without_validation_the_training_loss_decides(tmp_path):
    state, _ = Run(tmp_path / "c.npz", validate=lambda: None).train()
    assert state.best_loss == min(epoch["train_loss"] for epoch in state.history)
    assert np.isnan(state.history[0]["validation_loss"])


ONE_NOTE = [random_fields(1, 1)]
UNUSUAL = {
    "one note": ONE_NOTE,
    "ten notes": [random_fields(1, 10)],
    "one key, all at once": [np.tile(np.array([[0, 40, 1, 0]], np.int32), (50, 1))],
    "long silences": [np.tile(np.array([[1000, 0, 3000, 31]], np.int32), (50, 1))],
}


def check_losses_are_finite(run):
    state, weights = run.train()
    assert all(np.isfinite(epoch["train_loss"]) and np.isfinite(epoch["validation_loss"]) for epoch in state.history)
    assert all(np.isfinite(weight).all() for weight in weights)


@pytest.mark.parametrize("pieces", UNUSUAL.values(), ids=UNUSUAL)
def test_unusual_pieces_give_finite_losses(tmp_path, pieces):
    check_losses_are_finite(Run(tmp_path / "c.npz", pieces=pieces))


@pytest.mark.parametrize("infill_fraction", [0.0, 1.0])
def test_rows_may_all_infill_or_none(tmp_path, infill_fraction, uncompiled):
    batches = replace(BATCHES, infill_fraction=infill_fraction)
    config = replace(CONFIG, epochs=1, steps_per_epoch=2)
    check_losses_are_finite(Run(tmp_path / "c.npz", config, batches, ONE_NOTE))


@pytest.mark.parametrize("total", [float("nan"), float("inf")])
def test_a_validation_loss_that_is_not_finite_ends_training(tmp_path, total):
    with pytest.raises(FloatingPointError, match="validation loss is not finite after 3 updates"):
        Run(tmp_path / "c.npz", validate=lambda: losses(total)).train()


def test_a_training_loss_that_is_not_finite_ends_training(tmp_path, monkeypatch):
    monkeypatch.setattr(
        TrainingModel, "train_on_batch", lambda self, batch, return_dict: dict.fromkeys(LOSS_SUMS, np.nan)
    )
    with pytest.raises(FloatingPointError, match="training loss is not finite after 1 updates"):
        Run(tmp_path / "c.npz").train()


def test_the_history_is_handed_over_after_every_epoch(uninterrupted):
    state, _, histories = uninterrupted
    assert histories == [state.history[:epochs] for epochs in (1, 2, 3, 4)]
    assert [list(epoch) for epoch in state.history] == [COLUMNS] * 4


def test_the_history_is_handed_over_on_resuming(tmp_path, uninterrupted):
    state, _, _ = uninterrupted
    histories = []
    with pytest.raises(Interrupted):
        Run(tmp_path / "c.npz", interrupt_after=8).train()
    Run(tmp_path / "c.npz", on_epoch=lambda history: histories.append(copy.deepcopy(history))).train()
    assert histories == [state.history[:epochs] for epochs in (2, 3, 4)]


def test_the_loss_table_can_be_read_while_training_runs(tmp_path):
    path, tables = tmp_path / "reports" / "loss.csv", []

    def validate():  # between two epochs
        tables.append(pd.read_csv(path) if path.exists() else None)
        return losses(3.0 - len(tables))

    def write(history):
        write_csv(path, pd.DataFrame(history))

    state, _ = Run(tmp_path / "c.npz", validate=validate, on_epoch=write).train()
    assert tables[0] is None
    for epochs, table in enumerate(tables[1:], start=1):
        assert list(table.columns) == COLUMNS
        assert table["epoch"].tolist() == list(range(1, epochs + 1))
        assert table["validation_loss"].tolist() == [2.0, 1.0, 0.0][:epochs]
        expected = [float(f"{epoch['train_loss']:.6g}") for epoch in state.history[:epochs]]
        assert table["train_loss"].tolist() == expected
