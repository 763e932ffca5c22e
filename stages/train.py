"""Train the network: data/notes -> models/bilstm.keras, reports/training.json and reports/loss.csv."""

import hashlib
import json
import sys
from pathlib import Path

import pandas as pd

from stages.representation.grid_encoding import encode
from stages.representation.note_table import read_notes
from stages.utils.atomic import atomic_file
from stages.utils.errors import InputError
from stages.utils.params import Params
from stages.utils.runner import run_stage

TRAIN, VALIDATION = Path("data/notes/train.parquet"), Path("data/notes/validation.parquet")
MODEL, SUMMARY, LOSS = Path("models/bilstm.keras"), Path("reports/training.json"), Path("reports/loss.csv")
CHECKPOINT = Path("models/.checkpoint/training.npz")
# Kept in git, but no out of the stage: it says on what the model was made, and is to change no hash.
ENVIRONMENT = Path("reports/environment.json")


def main(params: Params) -> None:
    """Train and save the weights of the best epoch; go on from a checkpoint that fits."""
    train = [piece for _, piece in read_notes(TRAIN).groupby("piece")]
    validation = [
        encode(piece)[: params.train.validation_notes] for _, piece in read_notes(VALIDATION).groupby("piece")
    ]
    if not train:
        raise InputError(
            f"{TRAIN}: there are no notes to train on; the data set needs more pieces, or smaller extract shares"
        )

    import keras

    from stages.model import bilstm, likelihood, serialization
    from stages.training import checkpoint, data, determinism, trainer

    settings = params.train
    determinism.make_reproducible(settings.seed)
    determinism.single_thread_ops()
    network = bilstm.BiLSTM(
        units=settings.units,
        trunk=settings.trunk,
        head=settings.head,
        longest_gap=settings.longest_gap,
        pointers=settings.pointers,
        dtype=keras.DTypePolicy("mixed_bfloat16" if settings.precision == "bfloat16" else "float32"),
    )
    score = likelihood.make_scorer(network)
    checkpoint = checkpoint.Checkpoint(CHECKPOINT, _fingerprint(params))
    try:
        progress = trainer.train_model(
            trainer.TrainingModel(
                network,
                settings.streams,
                dropout=settings.dropout,
                carry=settings.carry,
                last_only=settings.targets == "last",
            ),
            lambda skip: data.training_batches(
                [lambda stretch, piece=piece: encode(piece, stretch) for piece in train],
                [len(piece) for piece in train],
                seed=settings.seed,
                streams=settings.streams,
                window=settings.window,
                infill_streams=round(settings.infill_share * settings.streams),
                longest_gap=settings.longest_gap,
                transpose=settings.transpose,
                stretch=settings.stretch,
                skip=skip,
            ),
            lambda: score(validation).mean() if validation else None,
            trainer.TrainingConfig(
                epochs=settings.epochs,
                steps_per_epoch=settings.steps_per_epoch,
                learning_rate=settings.learning_rate,
                warmup_steps=settings.warmup_steps,
                weight_decay=settings.weight_decay,
                clip_norm=settings.clip_norm,
                patience=settings.patience,
            ),
            checkpoint,
        )
    except FloatingPointError as error:
        raise InputError(f"params.yaml: train.learning_rate = {settings.learning_rate}: {error}; use less") from None

    history = pd.DataFrame(progress.history)
    best = history.iloc[progress.best_epoch - 1]
    summary = {
        "best_epoch": progress.best_epoch,
        "epochs": len(history),
        "stopped_early": len(history) < settings.epochs,
        "parameters": network.count_params(),
        "notes_seen": progress.notes,
        "train_loss": round(best["loss"], 4),
        "validation_loss": {
            name.removeprefix("validation_"): round(best[name], 4) if validation else None
            for name in history.columns
            if name.startswith("validation_")
        },
    }
    MODEL.parent.mkdir(exist_ok=True)
    SUMMARY.parent.mkdir(exist_ok=True)
    reports = {
        LOSS: history.to_csv(index=False, float_format="%.6g", lineterminator="\n"),
        SUMMARY: json.dumps(summary, indent=2) + "\n",
        ENVIRONMENT: json.dumps(determinism.describe_environment(), indent=2) + "\n",
    }
    for path, text in reports.items():
        with atomic_file(path) as part:
            part.write_text(text, encoding="utf-8", newline="\n")
    serialization.save_model(network, MODEL)
    checkpoint.discard()


def _fingerprint(params: Params) -> str:
    # Settings, data and code: what a checkpoint must have in common with the run that goes on from it.
    code = sorted(
        module.__file__ for name, module in sys.modules.items() if name.startswith("stages.") and module.__file__
    )
    digest = hashlib.sha256(params.train.model_dump_json().encode())
    for path in [TRAIN, VALIDATION, *map(Path, code), Path(__file__)]:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


if __name__ == "__main__":
    run_stage(main)
