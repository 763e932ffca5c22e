"""Training: the loss, the schedule, when to stop, and how to go on after an interruption."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import keras
import numpy as np
from keras import ops
from tqdm import tqdm

from stages.network.batches import NO_NOTE, PITCH
from stages.network.bilstm import BiLSTM

Batches = Iterator[dict[str, np.ndarray]]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to learn; params.yaml says what each is for."""

    epochs: int
    steps_per_epoch: int
    learning_rate: float
    warmup_steps: int
    clip_norm: float
    patience: int


@dataclass
class Progress:
    """Where training stands after an epoch.

    history: a dict an epoch, with the columns of reports/loss.csv.
    """

    step: int = 0
    notes: int = 0
    best_epoch: int = 0
    best_loss: float = float("inf")
    history: list[dict[str, float]] = field(default_factory=list)


class Learner(keras.Model):
    """`network` with what training adds to it: each stream's carried state and the two losses.

    A batch is one of `batches.training_batches`. The loss is the mean, in nats a note, over all notes of the batch
    foretold from the past, and once more over those of the infilling streams foretold from both sides.
    """

    def __init__(self, network: BiLSTM, streams: int) -> None:
        super().__init__(dtype=network.dtype_policy, name="learner")
        self.network = network
        self.carried = self.add_weight(
            shape=(2, streams, network.units), initializer="zeros", trainable=False, dtype="float32", name="carried"
        )
        self.continuing = keras.metrics.Mean(name="continuing")
        self.infilling = keras.metrics.Mean(name="infilling")
        self.built = True

    def call(self, x):
        """Sums and counts of both losses: nats foretold from the past, its notes; nats of filling in, its notes."""
        rows, gap = x["rows"], x["gap"]
        infill_streams, longest_gap = ops.shape(gap)[0], self.network.longest_gap
        window = ops.shape(rows)[1] - 1 - longest_gap

        inside = rows[:, : 1 + window]
        state = ops.where(x["reset"][:, None], 0.0, self.carried)
        past, state = self.network.past(
            inside[:, :-1], [ops.cast(part, self.compute_dtype) for part in (state[0], state[1])]
        )
        self.carried.assign(ops.cast(ops.stack(state), "float32"))
        sounding = ops.cast(inside[:, 1:, PITCH] < NO_NOTE, "float32")
        continuing = ops.sum(self.network.nats(self.network.context(past), inside))
        if not infill_streams:
            return continuing, ops.sum(sounding), ops.zeros(()), ops.zeros(())

        future = self.network.future(rows[:infill_streams, 1:])
        # Note i of a window sees the future from i + gap on.
        at = ops.arange(window)[None, :] + gap[:, None]
        at = at + ops.arange(infill_streams)[:, None] * (window + longest_gap)
        future = ops.take(ops.reshape(future, (-1, self.network.units)), at, axis=0)
        context = self.network.context(past[:infill_streams], future, gap[:, None])
        infilling = ops.sum(self.network.nats(context, inside[:infill_streams]))
        return continuing, ops.sum(sounding), infilling, ops.sum(sounding[:infill_streams])

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Nats a note, over both kinds of notes."""
        continuing, notes, infilling, infilled = y_pred
        self.continuing.update_state(continuing / ops.maximum(notes, 1), notes)
        self.infilling.update_state(infilling / ops.maximum(infilled, 1), infilled)
        return (continuing + infilling) / ops.maximum(notes + infilled, 1)


def fit(
    network: BiLSTM,
    batches: Callable[[int], Batches],
    streams: int,
    validate: Callable[[], dict[str, float] | None],
    schedule: Schedule,
    checkpoint: "Checkpoint",
) -> Progress:
    """Train `network` and leave it with the weights of its best epoch.

    batches: for a number of steps to leave out, the batches from there on.
    validate: after each epoch; nats a note as {"total", "step", ...}, or None when there is nothing to validate on:
        then the training loss decides which epoch is best.
    checkpoint: read at the start, to go on where an interrupted run was, and written after each epoch.

    Raises FloatingPointError when the loss is no longer a number.
    """
    total = schedule.epochs * schedule.steps_per_epoch
    warmup = min(schedule.warmup_steps, total - 1)
    rate = keras.optimizers.schedules.CosineDecay(
        schedule.learning_rate / (warmup + 1), total - warmup, warmup_target=schedule.learning_rate, warmup_steps=warmup
    )
    learner = Learner(network, streams)
    learner.compile(keras.optimizers.Adam(rate, global_clipnorm=schedule.clip_norm), jit_compile=False)
    learner.optimizer.build(learner.trainable_variables)
    best = network.get_weights()

    progress = Progress()
    if (saved := checkpoint.read()) is not None:
        progress, current, best = saved
        for variable, value in zip(_variables(learner), current, strict=True):
            variable.assign(value)

    supply = batches(progress.step)
    with tqdm(total=total, initial=progress.step, desc="train", unit="step") as bar:
        while progress.step < total and len(progress.history) - progress.best_epoch < schedule.patience:
            sums, counts = np.zeros(2), np.zeros(2)  # of the epoch: going on from the past, filling in
            for _ in range(schedule.steps_per_epoch):
                batch = next(supply)
                logs = learner.train_on_batch(batch, return_dict=True)
                notes = (batch["rows"][:, 1 : -network.longest_gap, PITCH] < NO_NOTE).sum(axis=1)
                count = np.array([notes.sum(), notes[: len(batch["gap"])].sum()])
                sums += count * [logs["continuing"], logs["infilling"]]
                counts += count
                bar.update()
                bar.set_postfix_str(f"loss {sums[0] / counts[0]:.3f}", refresh=False)
            progress.step += schedule.steps_per_epoch
            progress.notes += int(counts[0])
            if not np.isfinite(sums).all():
                raise FloatingPointError(f"the loss is no longer a number at step {progress.step}")
            losses = np.divide(sums, counts, out=np.full(2, np.nan), where=counts > 0)
            row, loss = _row(progress, losses, float(learner.optimizer.learning_rate), validate())
            progress.history.append(row)
            if loss < progress.best_loss:
                progress.best_epoch, progress.best_loss, best = len(progress.history), loss, network.get_weights()
            bar.write(
                f"epoch {row['epoch']}: loss {row['loss']:.3f}, validation {row['validation_loss']:.3f} nats a note"
            )
            checkpoint.write(progress, [ops.convert_to_numpy(variable) for variable in _variables(learner)], best)
    network.set_weights(best)
    return progress


def _row(
    progress: Progress, losses: np.ndarray, rate: float, validation: dict[str, float] | None
) -> tuple[dict, float]:
    # The epoch's row of the history, and the loss that decides which epoch is best.
    loss, infill = map(float, losses)
    fields = {name: float("nan") for name in ("total", "step", "pitch", "duration", "velocity")} | (validation or {})
    row = {
        "epoch": len(progress.history) + 1,
        "learning_rate": rate,
        "notes": progress.notes,
        "loss": loss,
        "infill_loss": infill,
    }
    row |= {f"validation_{'loss' if name == 'total' else name}": value for name, value in fields.items()}
    return row, fields["total"] if validation else loss


def _variables(learner: Learner) -> list:
    # All that one update hands on to the next.
    return [*learner.network.variables, learner.carried, *learner.optimizer.variables]


@dataclass(frozen=True)
class Checkpoint:
    """A training run's state on disk, so that an interrupted run can go on.

    path: one .npz file, replaced as a whole; fingerprint: of everything that decides how training goes. A file with
    another fingerprint, or a torn one, is thrown away.
    """

    path: Path
    fingerprint: str

    def write(self, progress: Progress, current: list[np.ndarray], best: list[np.ndarray]) -> None:
        """Save where training stands."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        about = json.dumps({"fingerprint": self.fingerprint, "progress": asdict(progress)})
        arrays = {f"current_{i:03}": array for i, array in enumerate(current)}
        arrays |= {f"best_{i:03}": array for i, array in enumerate(best)}
        part = self.path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, about=np.array(about), **arrays)
        part.replace(self.path)

    def read(self) -> tuple[Progress, list[np.ndarray], list[np.ndarray]] | None:
        """What `write` saved, or None if there is nothing that fits."""
        if not self.path.is_file():
            return None
        try:
            with np.load(self.path, allow_pickle=False) as saved:
                about = json.loads(str(saved["about"]))
                names = sorted(saved.files)
                current = [saved[name] for name in names if name.startswith("current_")]
                best = [saved[name] for name in names if name.startswith("best_")]
        except Exception as error:  # whatever a torn file makes numpy and zipfile raise
            tqdm.write(f"the checkpoint in {self.path} is damaged ({error}); training starts anew")
            return None
        if about["fingerprint"] != self.fingerprint:
            tqdm.write(f"the checkpoint in {self.path} is of other settings, data or code; training starts anew")
            return None
        progress = Progress(**about["progress"])
        tqdm.write(f"going on from the checkpoint after epoch {len(progress.history)}")
        return progress, current, best

    def discard(self) -> None:
        """Remove the file; training has ended."""
        self.path.unlink(missing_ok=True)
