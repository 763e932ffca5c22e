"""Train the network.

Reads data/notes. Writes models/bilstm.keras, reports/loss.json (the lowest validation loss), reports/loss.csv (losses
of every epoch, rewritten after each), reports/parameters.csv (the size of every weight) and
reports/environment.json (versions and processor).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stages.params.train import TrainParams
from stages.representation.grid_encoding import encode
from stages.representation.parquet_io import table_files
from stages.representation.stored_notes import StoredNotes
from stages.training.cluster import CLUSTER_VARIABLE, DEVICES_VARIABLE, Cluster, read_cluster, use_all_devices
from stages.utils.csv_io import write_csv
from stages.utils.errors import InputError
from stages.utils.json_io import write_json
from stages.utils.keras_setup import LOG_LEVEL_VARIABLE, import_keras
from stages.utils.paths import CHECKPOINT, MODEL, NOTES, REPORTS
from stages.utils.runner import run_stage

if TYPE_CHECKING:  # imported in functions only: the backend takes seconds, and wrong input is reported before
    from stages.model.bilstm import BiLSTM
    from stages.model.likelihood import Scores
    from stages.training.checkpoint import Checkpoint, TrainingState
    from stages.training.data import BatchConfig
    from stages.training.distribution import Distribution
    from stages.training.trainer import History, TrainingConfig
    from stages.training.training_model import TrainingModel
    from stages.training.workers import Worker

TRAIN, VALIDATION = NOTES / "train.parquet", NOTES / "validation.parquet"
LOSS, LOSS_HISTORY, PARAMETERS = REPORTS / "loss.json", REPORTS / "loss.csv", REPORTS / "parameters.csv"
# Kept in git, but no out of the stage: it depends on the machine, and must not change a hash.
ENVIRONMENT = REPORTS / "environment.json"

STAGES = Path(__file__).resolve().parent
TRAINING_CODE = (
    "train.py",
    "params/train.py",
    "representation/*.py",
    "model/*.py",
    "training/*.py",
)
"""What a checkpoint depends on. Plumbing is left out: it has no influence on the weights."""

PREFETCHED_BATCHES = 40


def main(train: TrainParams) -> None:
    """Train the network and save the weights of its best epoch; resume from a checkpoint that fits.

    Raises:
        InputError: there is no music to train on, training diverges, or the devices and hosts that the environment
            names cannot train together.
    """
    cluster, all_devices = read_cluster(os.environ), use_all_devices(os.environ)
    if train.backend != "tensorflow" and (cluster or all_devices):
        variable = CLUSTER_VARIABLE if cluster else DEVICES_VARIABLE
        raise InputError(
            f"the environment variable {variable} is set, but only train.backend: tensorflow trains on several devices;"
            f" params.yaml has {train.backend}"
        )
    pieces = StoredNotes(TRAIN)
    if not pieces.num_notes:
        raise InputError(
            f"{TRAIN}: there are no notes to train on; the data set needs more pieces, or"
            " smaller extract.validation_fraction and extract.test_fraction"
        )
    music = StoredNotes(VALIDATION)
    validation = [encode(music.read(piece))[: train.validation_max_notes] for piece in music.num_notes]

    if cluster:  # when a process ends, TensorFlow has a dozen lines for it in each other process, which says it in one
        os.environ.setdefault(LOG_LEVEL_VARIABLE, "3")
    import_keras(train.backend)
    from stages.model.serialization import save_model
    from stages.training import checkpoint, determinism

    determinism.make_reproducible(train.seed)
    determinism.single_thread_ops()
    distribution = _distribute(train, cluster, all_devices)
    with distribution.scope():
        network = build_network(train)
    saved = checkpoint.Checkpoint(
        CHECKPOINT,
        checkpoint.fingerprint(f"{train.model_dump_json()} {_versions()}", fingerprint_files()),
        distribution.worker,
    )
    state = _train_network(network, train, pieces, validation, saved, distribution)
    if distribution.worker.is_chief:
        write_json(LOSS, {"loss": state.best_loss})
        write_csv(PARAMETERS, _parameter_table(network))
        write_json(ENVIRONMENT, determinism.describe_environment(distribution.num_devices))
        MODEL.parent.mkdir(parents=True, exist_ok=True)
        save_model(network, MODEL)
    distribution.worker.wait()  # whoever ended now would end the chief, too
    saved.discard()


def build_network(train: TrainParams) -> BiLSTM:
    """Make the untrained network."""
    import keras

    from stages.model.bilstm import BiLSTM

    return BiLSTM(
        lstm_units=train.lstm_units,
        trunk_units=train.trunk_units,
        head_units=train.head_units,
        max_gap_notes=train.max_gap_notes,
        duration_pointers=train.duration_pointers,
        dtype=keras.DTypePolicy("mixed_bfloat16" if train.precision == "bfloat16" else "float32"),
    )


def build_training_model(network: BiLSTM, train: TrainParams) -> TrainingModel:
    """Add to the network what training needs."""
    from stages.training.training_model import NUM_SHARDS, TrainingModel

    return TrainingModel(
        network,
        train.batch_size,
        dropout=train.dropout,
        stateful=train.stateful,
        loss_on=train.loss_on,
        num_shards=1 if train.backend == "jax" else NUM_SHARDS,
    )


def batch_config(train: TrainParams) -> BatchConfig:
    """Return what training batches look like."""
    from stages.training.data import BatchConfig

    return BatchConfig(
        seed=train.seed,
        batch_size=train.batch_size,
        seq_len=train.seq_len,
        infill_fraction=train.infill_fraction,
        max_gap_notes=train.max_gap_notes,
        transpose_semitones=train.transpose_semitones,
        time_stretch=train.time_stretch,
        velocity_shift=train.velocity_shift,
        expand_on_device=train.backend == "jax",
    )


def training_config(train: TrainParams) -> TrainingConfig:
    """Return the schedule of training."""
    from stages.training.trainer import TrainingConfig

    return TrainingConfig(
        notes_per_update=train.batch_size * train.seq_len,
        epochs=train.epochs,
        steps_per_epoch=train.steps_per_epoch,
        learning_rate=train.learning_rate,
        warmup_steps=train.warmup_steps,
        weight_decay=train.weight_decay,
        clip_norm=train.clip_norm,
        patience=train.patience,
    )


def fingerprint_files() -> list[Path]:
    """Return data and code that a checkpoint and the run that resumes from it must have in common."""
    return [*table_files(TRAIN), *table_files(VALIDATION), *_code_files()]


def _code_files() -> list[Path]:
    return [path for pattern in TRAINING_CODE for path in sorted(STAGES.glob(pattern))]


def _distribute(train: TrainParams, cluster: Cluster | None, all_devices: bool) -> Distribution:
    from stages.training.checkpoint import fingerprint
    from stages.training.distribution import Distribution, all_local_devices, join_cluster

    if cluster is None:
        return all_local_devices(train.batch_size) if all_devices else Distribution()
    identity = {
        "section train of params.yaml": fingerprint(train.model_dump_json(), []),
        str(TRAIN): fingerprint("", table_files(TRAIN)),
        str(VALIDATION): fingerprint("", table_files(VALIDATION)),
        "code in stages": fingerprint("", _code_files()),
        "versions of Keras, TensorFlow or numpy": _versions(),
    }
    return join_cluster(cluster, train.batch_size, identity)


def _versions() -> str:
    from stages.training.determinism import describe_environment

    environment = describe_environment()
    return " ".join(str(environment[name]) for name in ("keras", "backend", "numpy"))


def _train_network(
    network: BiLSTM,
    train: TrainParams,
    pieces: StoredNotes,
    validation: list[np.ndarray],
    checkpoint: Checkpoint,
    distribution: Distribution,
) -> TrainingState:
    from stages.model.likelihood import make_scorer
    from stages.training.data import TrainingPiece, training_batches
    from stages.training.prefetch import prefetch
    from stages.training.trainer import Trainer

    score = make_scorer(network)
    training_pieces = [
        TrainingPiece(length, partial(_encode_piece, pieces, piece)) for piece, length in pieces.num_notes.items()
    ]
    with distribution.scope():
        model = build_training_model(network, train)
    trainer = Trainer(
        model,
        training_config(train),
        validate=lambda: _validate(score, validation, distribution.worker),
        checkpoint=checkpoint,
        on_epoch=_write_loss_history,
        distribution=distribution,
    )

    def make_batches(skip: int) -> Iterator[dict[str, np.ndarray]]:
        batches = training_batches(training_pieces, batch_config(train), skip)
        # On processors a second thread would only take time from the training.
        return prefetch(batches, PREFETCHED_BATCHES) if train.backend == "jax" else batches

    try:
        return trainer.train(make_batches)
    except FloatingPointError as error:
        raise InputError(f"params.yaml: train.learning_rate = {train.learning_rate}: {error}; lower it") from None


def _validate(
    score: Callable[[Sequence[np.ndarray]], Scores], pieces: Sequence[np.ndarray], worker: Worker
) -> dict[str, float] | None:
    # Nats per note, in "total" and of each field. Each worker scores some of the pieces.
    from stages.model.likelihood import name_fields

    if not pieces:
        return None
    scores = score(pieces[worker.index :: worker.count])
    sums = worker.sum(np.append(scores.continuation.sum(axis=0), scores.num_notes.sum()))
    return name_fields(sums[:-1] / sums[-1])


def _encode_piece(pieces: StoredNotes, piece: int, time_stretch: float) -> np.ndarray:
    return encode(pieces.read(piece), time_stretch)


def _write_loss_history(history: History) -> None:
    write_csv(LOSS_HISTORY, pd.DataFrame(history))


def _parameter_table(network: BiLSTM) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "weight": weight.path,
            "shape": "x".join(map(str, weight.shape)),
            "parameters": int(np.prod(weight.shape)),
        }
        for weight in network.weights
    )


if __name__ == "__main__":
    run_stage(main, train=TrainParams)
