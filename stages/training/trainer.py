"""Training: the loss, the schedule, when to stop, and how to go on after an interruption."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops
from tqdm import tqdm

from stages.model.batching import PAD_PITCH
from stages.model.bilstm import BiLSTM, FutureContext
from stages.representation.grid_encoding import FIELDS, PITCH
from stages.training.checkpoint import SUMS, Checkpoint, TrainingState, tell
from stages.training.muon import Muon

Batches = Iterator[dict[str, np.ndarray]]

# Parts of a batch that are worked on side by side: one for each core of the machine that the default settings are for.
# It is no setting, and not the machine's number of cores, since the order of sums, and so the last bits, depend on it.
SHARDS = 2
CHECKPOINT_SECONDS = 60  # between checkpoints; one of the default network takes a fraction of a second


@dataclass(frozen=True)
class TrainingConfig:
    """How long and how fast to learn; params.yaml says what each is for."""

    epochs: int
    steps_per_epoch: int
    learning_rate: float
    warmup_steps: int
    weight_decay: float
    clip_norm: float
    patience: int


class TrainingModel(keras.Model):
    """`network` with what training adds to it: each stream's carried state and the two losses.

    A batch is one of `batches.training_batches`. The loss is the mean, in nats a note, over all notes of the batch
    foretold from the past, and once more over those of the infilling streams foretold from both sides. carry: whether
    streams go on from the state they had, or forget it with every window; last_only: whether only a window's last note
    is foretold, as is usual where a window is one example; dropout: the share of each LSTM's outputs that a stream
    does without for a window (the same ones throughout it: Gal and Ghahramani, 2016).

    The streams are worked on in SHARDS parts that do not wait for each other.
    """

    def __init__(
        self, network: BiLSTM, streams: int, *, dropout: float = 0.0, carry: bool = True, last_only: bool = False
    ) -> None:
        super().__init__(dtype=network.dtype_policy, name="learner")
        self.network, self.dropout, self.carry, self.last_only = network, dropout, carry, last_only
        self.seeds = keras.random.SeedGenerator()
        self.carried = self.add_weight(
            shape=(2, streams, network.units), initializer="zeros", trainable=False, dtype="float32", name="carried"
        )
        self.sums = [keras.metrics.Sum(name=name) for name in SUMS]
        self.built = True

    def call(self, x):
        """The SUMS of a batch."""
        rows, gap = x["rows"], x["gap"]
        state = ops.where(x["reset"][:, None], 0.0, self.carried) if self.carry else ops.zeros_like(self.carried)
        streams, infill_streams = rows.shape[0], gap.shape[0]
        kept = self._kept((2, streams, 1, self.network.units))
        states, sums = [], []
        for shard in range(SHARDS):
            part, filling = (slice(n * shard // SHARDS, n * (shard + 1) // SHARDS) for n in (streams, infill_streams))
            if part.start < part.stop:
                after, found = self._shard(rows[part], state[:, part], gap[filling], kept[:, part])
                states.append(after)
                sums.append(found)
        self.carried.assign(ops.concatenate(states, axis=1))
        return [sum(parts) for parts in zip(*sums, strict=True)]

    def _kept(self, shape):
        # What LSTM outputs are multiplied with: nought or, so that the mean stays, somewhat more than one.
        if not self.dropout:
            return ops.ones(shape, self.compute_dtype)
        drawn = keras.random.uniform(shape, seed=self.seeds)
        return ops.cast(drawn >= self.dropout, self.compute_dtype) / (1 - self.dropout)

    def _shard(self, rows, state, gap, kept):
        infill_streams, longest_gap = gap.shape[0], self.network.longest_gap
        window = rows.shape[1] - 1 - longest_gap
        inside = rows[:, : 1 + window]
        past, state = self.network.past(inside[:, :-1], (state[0], state[1]))
        state = ops.stack([ops.cast(part, "float32") for part in state])
        at = window - 1 if self.last_only else 0
        past, inside = past[:, at:] * kept[0], inside[:, at:]
        notes = ops.sum(ops.cast(inside[:, 1:, PITCH] < PAD_PITCH, "float32"), axis=1)
        continuing = ops.sum(self.network.nats(self.network.context(past, inside[:, :-1]), inside))
        if not infill_streams:
            return state, (continuing, ops.sum(notes), ops.zeros(()), ops.zeros(()))

        rows, past, inside = rows[:infill_streams], past[:infill_streams], inside[:infill_streams]
        ahead = self.network.ahead(rows, self.network.future(rows) * kept[1, :infill_streams], gap, window)
        ahead = FutureContext(*(part[:, at:] for part in ahead))
        context = self.network.context(past, inside[:, :-1], ahead)
        infilling = ops.sum(self.network.nats(context, inside))
        return state, (continuing, ops.sum(notes), infilling, ops.sum(notes[:infill_streams]))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Nats a note, over both kinds of notes."""
        for metric, value in zip(self.sums, y_pred, strict=True):
            metric.update_state(value)
        continuing, notes, infilling, infilled = y_pred
        return (continuing + infilling) / ops.maximum(notes + infilled, 1)


def train_model(
    learner: TrainingModel,
    batches: Callable[[int], Batches],
    validate: Callable[[], dict[str, float] | None],
    schedule: TrainingConfig,
    checkpoint: "Checkpoint",
) -> TrainingState:
    """Train and leave the learner's network with the weights of its best epoch.

    batches: for a number of updates to leave out, the batches from there on.
    validate: after each epoch; nats a note as {"total", "step", ...}, or None when there is nothing to validate on:
        then the training loss decides which epoch is best.
    checkpoint: read at the start, to go on where an interrupted run was, and written now and then, after each epoch,
        and when the process is asked to end.

    Raises FloatingPointError when the loss is no longer a number, KeyboardInterrupt when asked to end.
    """
    network, total = learner.network, schedule.epochs * schedule.steps_per_epoch
    warmup = min(schedule.warmup_steps, total - 1)
    rate = keras.optimizers.schedules.CosineDecay(
        schedule.learning_rate / (warmup + 1), total - warmup, warmup_target=schedule.learning_rate, warmup_steps=warmup
    )
    learner.compile(Muon(rate, schedule.weight_decay, global_clipnorm=schedule.clip_norm), jit_compile=False)
    learner.optimizer.build(learner.trainable_variables)
    best = network.get_weights()

    progress = TrainingState()
    if (saved := checkpoint.read()) is not None:
        progress, current, best = saved
        for variable, value in zip(_variables(learner), current, strict=True):
            variable.assign(value)

    def save() -> None:
        checkpoint.write(progress, [ops.convert_to_numpy(variable) for variable in _variables(learner)], best)

    supply, saved_at = batches(progress.step), time.monotonic()
    with _Bar(progress, total) as bar, _Ending() as ending:
        while progress.step < total and len(progress.history) - progress.best_epoch < schedule.patience:
            batch = next(supply)
            logs = learner.train_on_batch(batch, return_dict=True)
            progress.step += 1
            progress.sums = [before + float(logs[name]) for before, name in zip(progress.sums, SUMS, strict=True)]
            bar.show(progress, batch["rows"].shape[0] * (batch["rows"].shape[1] - 1 - network.longest_gap))
            if not np.isfinite(progress.sums).all():
                raise FloatingPointError(f"the loss is no longer a number after {progress.step} updates")
            if epoch_ends := progress.step % schedule.steps_per_epoch == 0:
                if _end_epoch(progress, float(learner.optimizer.learning_rate), validate()):
                    best = network.get_weights()
                bar.tell(progress.history[-1])
            if epoch_ends or ending.asked or time.monotonic() - saved_at > CHECKPOINT_SECONDS:
                save()
                saved_at = time.monotonic()
            if ending.asked:
                tell(f"asked to end after update {progress.step}; the same command goes on from there")
                raise KeyboardInterrupt
    network.set_weights(best)
    return progress


def _end_epoch(progress: TrainingState, rate: float, validation: dict[str, float] | None) -> bool:
    # Add the epoch to the history; True when it is the best so far.
    sums, progress.sums = progress.sums, [0.0] * len(SUMS)
    progress.notes += int(sums[1])
    row = {
        "epoch": len(progress.history) + 1,
        "learning_rate": rate,
        "notes": progress.notes,
        "loss": sums[0] / max(sums[1], 1),
        "infill_loss": sums[2] / sums[3] if sums[3] else float("nan"),
    }
    fields = {name: float("nan") for name in ("total", *FIELDS)} | (validation or {})
    row |= {f"validation_{'loss' if name == 'total' else name}": value for name, value in fields.items()}
    progress.history.append(row)
    loss = fields["total"] if validation else row["loss"]
    if not loss < progress.best_loss:
        return False
    progress.best_epoch, progress.best_loss = len(progress.history), loss
    return True


class _Bar(tqdm):
    # Counts places for notes, so that it shows how many are read a second.
    def __init__(self, progress: TrainingState, total: int) -> None:
        super().__init__(desc="train", unit=" notes", unit_scale=True)
        self.updates, self.begun = total, progress.step

    def show(self, progress: TrainingState, places: int) -> None:
        if self.total is None:
            self.total, self.initial = self.updates * places, self.begun * places
            self.n = self.last_print_n = self.initial
        self.set_postfix_str(f"loss {progress.sums[0] / max(progress.sums[1], 1):.3f}", refresh=False)
        self.update(places)

    def tell(self, epoch: dict[str, float]) -> None:
        tell(f"epoch {epoch['epoch']}: loss {epoch['loss']:.3f}, validation {epoch['validation_loss']:.3f} nats a note")


class _Ending:
    # Between two updates training can end without loss; inside one the weights are neither old nor new. So Ctrl-C and a
    # request to terminate are noted, and heeded when the update is done; a second one ends at once.
    def __init__(self) -> None:
        self.asked = False
        self._handlers: dict[int, object] = {}

    def __enter__(self) -> "_Ending":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._handlers[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _note(self, *_) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


def _variables(learner: TrainingModel) -> list:
    # All that one update hands on to the next.
    return [*learner.network.variables, learner.carried, learner.seeds.state, *learner.optimizer.variables]
