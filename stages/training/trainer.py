"""The training loop: learning-rate schedule, epochs, early stopping, and resuming after an interruption."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import keras
import numpy as np
from keras import ops

from stages.representation.grid_encoding import FIELDS
from stages.training.checkpoint import Checkpoint, SavedTraining, TrainingState
from stages.training.distribution import Distribution
from stages.training.losses import LossSums
from stages.training.muon import Muon
from stages.training.progress_bar import ProgressBar, print_line
from stages.training.signals import DeferredInterrupt
from stages.training.training_model import TrainingModel
from stages.training.updates import make_updates

Batches = Iterator[dict[str, np.ndarray]]
History = list[dict[str, float]]

CHECKPOINT_SECONDS = 60
"""Time between checkpoints within an epoch; writing one of the default network takes a fraction of a second."""


@dataclass(frozen=True)
class TrainingConfig:
    """How long and how fast to train; params.yaml says what each key is for.

    Attributes:
        notes_per_update: note positions of a batch, padding included, for the progress bar.
    """

    notes_per_update: int
    epochs: int
    steps_per_epoch: int
    learning_rate: float
    warmup_steps: int
    weight_decay: float
    clip_norm: float
    patience: int


class Trainer:
    """Trains a model epoch by epoch and keeps the weights of its best epoch.

    Attributes:
        model: what is trained.
        state: where training stands.
    """

    def __init__(
        self,
        model: TrainingModel,
        config: TrainingConfig,
        validate: Callable[[], dict[str, float] | None],
        checkpoint: Checkpoint,
        on_epoch: Callable[[History], None],
        distribution: Distribution | None = None,
    ) -> None:
        """Compile the model.

        Args:
            model: what to train.
            config: schedule and optimizer.
            validate: called after each epoch; returns nats per note, in "total" and of each field, or None if there is
                no validation music: then the training loss decides which epoch is best.
            checkpoint: read when training starts; written every CHECKPOINT_SECONDS, after each epoch and on SIGINT or
                SIGTERM.
            on_epoch: called with the rows of reports/loss.csv so far, after each epoch and on resuming; by the chief.
            distribution: the devices that train together, under which the model was made; None for one device.
        """
        distribution = distribution or Distribution()
        self.model, self.state = model, TrainingState()
        self._config, self._validate, self._checkpoint, self._on_epoch = config, validate, checkpoint, on_epoch
        self._is_chief = distribution.worker.is_chief
        self._total_updates = config.epochs * config.steps_per_epoch
        with distribution.scope():
            optimizer = Muon(
                _learning_rate(config),
                config.weight_decay,
                compute_dtype=model.network.compute_dtype,
                global_clipnorm=config.clip_norm,
            )
            model.compile(optimizer, jit_compile=False)
            model.optimizer.build(model.trainable_variables)
        self._updates = make_updates(model, config.steps_per_epoch, distribution.strategy)
        self._best_weights = model.network.get_weights()
        self._saved_at = 0.0

    def train(self, make_batches: Callable[[int], Batches]) -> TrainingState:
        """Train from where the checkpoint stands, and leave the network with the weights of its best epoch.

        Args:
            make_batches: returns the training batches without the first so many.

        Returns:
            Where training stands at its end.

        Raises:
            FloatingPointError: a loss is NaN or infinite.
            KeyboardInterrupt: on SIGINT or SIGTERM, after a checkpoint.
        """
        self._resume()
        batches = make_batches(self.state.update)
        self._saved_at = time.monotonic()
        notes_per_update = self._config.notes_per_update
        bar = ProgressBar(
            self._total_updates * notes_per_update, self.state.update * notes_per_update, disable=not self._is_chief
        )
        with bar, DeferredInterrupt() as interrupt:
            while not self._is_finished():
                self._update(list(islice(batches, self._updates.size)), bar)
                epoch_ended = self.state.update % self._config.steps_per_epoch == 0
                if epoch_ended:
                    self._end_epoch()
                checkpoint_is_due = time.monotonic() - self._saved_at > CHECKPOINT_SECONDS
                stop, save = self._updates.agree(interrupt.requested, checkpoint_is_due)
                if epoch_ended or stop or save:
                    self._save()
                if stop:
                    print_line(f"stopped after update {self.state.update}; run the same command to resume")
                    raise KeyboardInterrupt
        self.model.network.set_weights(self._best_weights)
        return self.state

    def _is_finished(self) -> bool:
        epochs_without_improvement = len(self.state.history) - self.state.best_epoch
        return self.state.update >= self._total_updates or epochs_without_improvement >= self._config.patience

    def _update(self, batches: Sequence[dict[str, np.ndarray]], bar: ProgressBar) -> None:
        self.state.epoch_sums.add(self._updates.run(batches))
        self.state.update += len(batches)
        bar.advance(len(batches) * self._config.notes_per_update, self.state.epoch_sums.continuation_loss)
        if not self.state.epoch_sums.is_finite():
            raise FloatingPointError(f"the training loss is not finite after {self.state.update} updates")

    def _end_epoch(self) -> None:
        state, validation = self.state, self._validate()
        sums, state.epoch_sums = state.epoch_sums, LossSums()
        state.notes_seen += int(sums.continuation_notes)
        epoch = {
            "epoch": len(state.history) + 1,
            "learning_rate": float(self.model.optimizer.learning_rate),
            "notes_seen": state.notes_seen,
            "train_loss": sums.continuation_loss,
            "train_infill_loss": sums.infill_loss,
            **_validation_columns(validation),
        }
        loss = epoch["validation_loss"] if validation else epoch["train_loss"]
        if not math.isfinite(loss):
            raise FloatingPointError(f"the validation loss is not finite after {state.update} updates")
        state.history.append(epoch)
        if loss < state.best_loss:
            state.best_epoch, state.best_loss = len(state.history), loss
            self._best_weights = self.model.network.get_weights()
        self._report_history()
        if self._is_chief:
            print_line(
                f"epoch {epoch['epoch']}: training loss {epoch['train_loss']:.3f},"
                f" validation loss {epoch['validation_loss']:.3f} nats per note"
            )

    def _report_history(self) -> None:
        if self._is_chief:
            self._on_epoch(self.state.history)

    def _resume(self) -> None:
        saved = self._checkpoint.read()
        if saved is None:
            return
        self.state, self._best_weights = saved.state, saved.best_weights
        for variable, value in zip(self._variables(), saved.variables, strict=True):
            variable.assign(value)
        if self.state.history:
            self._report_history()

    def _save(self) -> None:
        self._updates.collect_state()
        variables = [ops.convert_to_numpy(variable) for variable in self._variables()]
        self._checkpoint.write(SavedTraining(self.state, variables, self._best_weights))
        self._saved_at = time.monotonic()

    def _variables(self) -> list:
        # Every variable that one update hands on to the next.
        model = self.model
        return [*model.network.variables, model.lstm_state, model.seeds.state, *model.optimizer.variables]


def _learning_rate(config: TrainingConfig) -> keras.optimizers.schedules.LearningRateSchedule:
    # Linear warm-up, then a cosine that ends at zero with the last update.
    total_updates = config.epochs * config.steps_per_epoch
    warmup_updates = min(config.warmup_steps, total_updates - 1)
    return keras.optimizers.schedules.CosineDecay(
        config.learning_rate / (warmup_updates + 1),
        total_updates - warmup_updates,
        warmup_target=config.learning_rate,
        warmup_steps=warmup_updates,
    )


def _validation_columns(validation: dict[str, float] | None) -> dict[str, float]:
    # Columns of reports/loss.csv; NaN, which is written as an empty field, if there is no validation music.
    losses = validation or dict.fromkeys(("total", *FIELDS), float("nan"))
    return {"validation_loss": losses["total"]} | {f"validation_{field}": losses[field] for field in FIELDS}
