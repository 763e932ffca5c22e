"""Train the network: data/notes -> models/bilstm.keras, reports/training.json and reports/loss.csv."""

import hashlib
import json
import sys
from pathlib import Path

import pandas as pd

from stages.entry import run
from stages.music.encoding import encode
from stages.music.errors import InputError
from stages.music.notes import read_notes
from stages.settings import Settings

TRAIN, VALIDATION = Path("data/notes/train.parquet"), Path("data/notes/validation.parquet")
MODEL, SUMMARY, LOSS = Path("models/bilstm.keras"), Path("reports/training.json"), Path("reports/loss.csv")
CHECKPOINT = Path("models/.checkpoint/training.npz")


def main(params: Settings) -> None:
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

    from stages.network import batches, bilstm, fitting, likelihood, runtime

    runtime.make_reproducible(params.train.seed)
    infill_streams = round(params.train.infill_share * params.train.streams)
    network = bilstm.BiLSTM(
        units=params.train.units,
        trunk=params.train.trunk,
        head=params.train.head,
        longest_gap=params.train.longest_gap,
        dtype=keras.DTypePolicy("mixed_bfloat16" if params.train.precision == "bfloat16" else "float32"),
    )
    score = likelihood.scorer(network)
    checkpoint = fitting.Checkpoint(CHECKPOINT, _fingerprint(params))
    progress = fitting.fit(
        network,
        lambda skip: batches.training_batches(
            [lambda stretch, piece=piece: encode(piece, stretch) for piece in train],
            [len(piece) for piece in train],
            seed=params.train.seed,
            streams=params.train.streams,
            window=params.train.window,
            infill_streams=infill_streams,
            longest_gap=params.train.longest_gap,
            transpose=params.train.transpose,
            stretch=params.train.stretch,
            skip=skip,
        ),
        params.train.streams,
        lambda: score(validation).mean() if validation else None,
        fitting.Schedule(
            epochs=params.train.epochs,
            steps_per_epoch=params.train.steps_per_epoch,
            learning_rate=params.train.learning_rate,
            warmup_steps=params.train.warmup_steps,
            clip_norm=params.train.clip_norm,
            patience=params.train.patience,
        ),
        checkpoint,
    )

    history = pd.DataFrame(progress.history)
    best = history.iloc[progress.best_epoch - 1]
    summary = {
        "best_epoch": progress.best_epoch,
        "epochs": len(history),
        "stopped_early": len(history) < params.train.epochs,
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
    history.to_csv(LOSS, index=False, float_format="%.6g", lineterminator="\n")
    SUMMARY.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    bilstm.save(network, MODEL)
    checkpoint.discard()


def _fingerprint(params: Settings) -> str:
    # Settings, data and code: what a checkpoint must have in common with the run that goes on from it.
    code = sorted(
        module.__file__ for name, module in sys.modules.items() if name.startswith("stages.") and module.__file__
    )
    digest = hashlib.sha256(params.train.model_dump_json().encode())
    for path in [TRAIN, VALIDATION, *map(Path, code), Path(__file__)]:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


if __name__ == "__main__":
    run(main)
