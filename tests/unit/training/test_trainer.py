"""Training learns, stops, and after an interruption goes on to the very weights of an unbroken run."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from stages.model import batching, likelihood
from stages.model.bilstm import BiLSTM
from stages.training import checkpoint, data, determinism, trainer
from tests.helpers.numpy_model import Reference, random_fields

SCHEDULE = trainer.TrainingConfig(
    epochs=4, steps_per_epoch=3, learning_rate=0.01, warmup_steps=2, weight_decay=0.1, clip_norm=1.0, patience=9
)


class Interrupted(Exception):
    pass


def train(
    path,
    schedule=SCHEDULE,
    interrupt_after=None,
    validate=None,
    infill_streams=2,
    pieces=None,
    fingerprint="same",
    transpose=3,
    carry=True,
    last_only=False,
    dropout=0.2,
):
    """Progress and weights after training a tiny network on random notes."""
    determinism.make_reproducible(5)
    network = BiLSTM(units=8, trunk=8, head=8, longest_gap=4)
    fields = pieces or [random_fields(seed, 40) for seed in range(5)]
    given = 0

    def supply(skip):
        nonlocal given
        for batch in data.training_batches(
            [lambda stretch, piece=piece: piece for piece in fields],
            [len(piece) for piece in fields],
            seed=1,
            streams=4,
            window=8,
            infill_streams=infill_streams,
            longest_gap=4,
            transpose=transpose,
            stretch=0.0,
            skip=skip,
        ):
            if given == interrupt_after:
                raise Interrupted
            given += 1
            yield batch

    score = likelihood.make_scorer(network)
    progress = trainer.train_model(
        trainer.TrainingModel(network, 4, carry=carry, last_only=last_only, dropout=dropout),
        supply,
        validate or (lambda: score(fields[:2]).mean()),
        schedule,
        checkpoint.Checkpoint(path, fingerprint),
    )
    return progress, network.get_weights()


def test_training_learns(tmp_path):
    # Notes of one kind: sure of them, the network needs hardly a nat; all bins alike would cost it some 20.
    piece = np.tile(np.array([[20, 40, 10, 16]], np.int32), (200, 1))
    progress, _ = train(
        tmp_path / "c.npz",
        replace(SCHEDULE, epochs=6, steps_per_epoch=50, learning_rate=0.02),
        transpose=0,
        pieces=[piece] * 2,
    )
    assert progress.history[0]["loss"] > 2
    assert progress.history[-1]["loss"] < 1
    assert progress.history[-1]["infill_loss"] < 1
    assert progress.history[-1]["validation_loss"] < 1


@pytest.mark.parametrize("interrupt_after", [4, 6, 11])
def test_an_interrupted_run_ends_with_the_same_weights(tmp_path, interrupt_after):
    unbroken, weights = train(tmp_path / "unbroken.npz")
    with pytest.raises(Interrupted):
        train(tmp_path / "broken.npz", interrupt_after=interrupt_after)
    resumed, again = train(tmp_path / "broken.npz")
    assert all((a == b).all() for a, b in zip(weights, again, strict=True))
    assert resumed == unbroken


@pytest.mark.parametrize("damage", ["torn", "empty", "other"])
def test_a_checkpoint_that_does_not_fit_is_thrown_away(tmp_path, damage, capsys):
    path = tmp_path / "c.npz"
    _, weights = train(tmp_path / "unbroken.npz")
    with pytest.raises(Interrupted):
        train(path, interrupt_after=7, fingerprint="another" if damage == "other" else "same")
    if damage != "other":
        path.write_bytes(path.read_bytes()[:5000] if damage == "torn" else b"")
    _, again = train(path)
    assert all((a == b).all() for a, b in zip(weights, again, strict=True))
    assert "training starts anew" in capsys.readouterr().err


def test_stops_early_and_keeps_the_best(tmp_path):
    losses = iter([3.0, 2.0, 2.5, 2.4, 2.3, 1.0])
    seen = []

    def validate():
        seen.append(None)
        return {"total": next(losses), "step": 0.5, "pitch": 0.5, "duration": 0.5, "velocity": 0.5}

    progress, weights = train(tmp_path / "c.npz", replace(SCHEDULE, epochs=6, patience=3), validate=validate)
    assert (progress.best_epoch, progress.best_loss, len(progress.history)) == (2, 2.0, 5)
    # What it keeps is the second epoch's network, which a run of two epochs on the same schedule would end with.
    with pytest.raises(Interrupted):
        train(tmp_path / "two.npz", replace(SCHEDULE, epochs=6, patience=3), interrupt_after=6)
    two, _, best = checkpoint.Checkpoint(tmp_path / "two.npz", "same").read()
    assert two.best_epoch == 2
    assert all((a == b).all() for a, b in zip(weights, best, strict=True))


def test_without_validation_the_training_loss_decides(tmp_path):
    progress, _ = train(tmp_path / "c.npz", validate=lambda: None)
    assert progress.best_loss == min(row["loss"] for row in progress.history)
    assert np.isnan(progress.history[0]["validation_loss"])


@pytest.mark.parametrize(
    "pieces",
    [
        [random_fields(1, 1)],
        [random_fields(1, 10)],
        [np.tile(np.array([[0, 40, 1, 0]], np.int32), (50, 1))],
        [np.tile(np.array([[1000, 0, 3000, 31]], np.int32), (50, 1))],
    ],
    ids=["one note", "ten notes", "one key at once", "hours of silence"],
)
@pytest.mark.parametrize("infill_streams", [0, 4])
def test_odd_corpora_give_finite_losses(tmp_path, pieces, infill_streams):
    progress, weights = train(tmp_path / "c.npz", pieces=pieces, infill_streams=infill_streams)
    assert all(np.isfinite(row["loss"]) and np.isfinite(row["validation_loss"]) for row in progress.history)
    assert all(np.isfinite(weight).all() for weight in weights)


@pytest.mark.parametrize("last_only", [False, True])
@pytest.mark.parametrize("streams, infill_streams", [(2, 1), (1, 1), (5, 3)])
def test_the_loss_is_the_mean_over_both_kinds_of_notes(streams, infill_streams, last_only):
    keras.utils.set_random_seed(1)
    network = BiLSTM(units=8, trunk=8, head=8, longest_gap=4)
    learner = trainer.TrainingModel(network, streams, last_only=last_only)
    fields = [random_fields(seed, 12) for seed in range(streams)]
    rows = np.stack([np.concatenate([batching.padding_rows((1,)), batching.note_rows(piece)]) for piece in fields])
    gap = np.arange(2, 2 + infill_streams, dtype=np.int32)
    y = learner({"rows": rows, "reset": np.full(streams, True), "gap": gap})
    # Each of the two parts of the streams begins with those of its own that fill in.
    halves, fills = np.array_split(np.arange(streams)[::-1], 2)[::-1], np.array_split(gap[::-1], 2)[::-1]
    filling = [int(lane) for half, part in zip(halves, fills, strict=True) for lane in half[::-1][: len(part)]]
    slow = Reference(network)
    first = 7 if last_only else 0
    continuing = sum(slow.nats(piece)[first:8].sum() for piece in fields)
    infilling = sum(slow.nats(fields[lane], int(k))[first:8].sum() for lane, k in zip(filling, gap, strict=True))
    notes = (streams + infill_streams) * (8 - first)
    assert float(learner.compute_loss(y_pred=y)) == pytest.approx((continuing + infilling) / notes, rel=1e-4)


@pytest.mark.parametrize("carry", [True, False])
def test_streams_go_on_from_the_state_they_had_unless_told_to_forget(carry):
    keras.utils.set_random_seed(1)
    network = BiLSTM(units=8, trunk=8, head=8, longest_gap=4)
    network.set_weights([3 * weight for weight in network.get_weights()])  # so that what is remembered tells
    learner = trainer.TrainingModel(network, 1, carry=carry)
    piece = random_fields(1, 16)
    supply = batching.window_batches([batching.PieceSource(0, 16, lambda: piece)], 1, 8, 4)
    nats = [
        float(learner({"rows": part.rows, "reset": part.reset, "gap": np.zeros(0, np.int32)})[0]) for part in supply
    ]
    whole = Reference(network).nats(piece)
    assert nats[0] == pytest.approx(whole[:8].sum(), rel=1e-4)
    assert (nats[1] == pytest.approx(whole[8:].sum(), rel=1e-4)) == carry
