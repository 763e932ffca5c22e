"""Train the long run on a GPU, with as many updates as fit into MINUTES, and score it.

    python -m benchmarks.long_run

Needs an NVIDIA GPU, `pip install "jax[cuda13]"` and the note tables in data/notes; it is no part of `make bench`.
Trains a network with the settings LONG_RUN, and for all else those of params.yaml, in a folder of its own, long-run/.
Two short trainings tell before how long an update takes. All of them are the stage `train`, so the long one can be
interrupted, and the same command resumes it.

Prints the result and writes it to benchmarks/results/long_run.json: settings, updates, notes and seconds, and the
training and validation loss of the best epoch. The model is long-run/models/bilstm.keras.
"""

import json
import math

import pandas as pd

from benchmarks.measurement import ROOT, round_value, write_result
from benchmarks.stage_run import train_in
from stages.check import Params
from stages.params.train import TrainParams
from stages.utils import paths
from stages.utils.yaml_io import read_yaml

MINUTES = 9
FOLDER = ROOT / "long-run"
PLAN = "plan.json"
LONG_RUN = {
    "backend": "jax",
    "precision": "bfloat16",
    "lstm_units": 768,
    "trunk_units": 384,
    "head_units": 256,
    "batch_size": 256,
    "dropout": 0.25,
    "time_stretch": 0.12,
    "velocity_shift": 2,
    "epochs": 10,
    "patience": 10,
}
"""What of the section `train` of params.yaml is different. `steps_per_epoch` follows from the speed."""

TRIAL_UPDATES = (100, 400)
"""Updates of the two short trainings whose difference in time is that of so many updates."""


def main() -> None:
    """Train, and write the result."""
    settings = read_yaml(ROOT / "params.yaml", Params).train.model_copy(update=LONG_RUN)
    FOLDER.mkdir(exist_ok=True)
    train = _plan(settings)
    seconds = train_in(FOLDER, train)
    loss = pd.read_csv(FOLDER / paths.REPORTS / "loss.csv")
    best = loss.loc[loss["validation_loss"].idxmin()]
    result = {
        "settings": LONG_RUN | {"steps_per_epoch": train.steps_per_epoch},
        "updates": train.epochs * train.steps_per_epoch,
        "notes_seen": int(loss["notes_seen"].iloc[-1]),
        "seconds_of_the_last_start": round_value(seconds),
        "best_epoch": int(best["epoch"]),
        "training_loss": round(float(best["train_loss"]), 3),
        "validation_loss": round(float(best["validation_loss"]), 3),
    }
    write_result("long_run", result, "jax")


def _plan(settings: TrainParams) -> TrainParams:
    # The settings with the updates that fit. They are kept in a file: with others a checkpoint would not be resumed.
    plan = FOLDER / PLAN
    if not plan.exists():
        few, many = (
            train_in(FOLDER / "trial", settings.model_copy(update={"epochs": 1, "steps_per_epoch": updates}))
            for updates in TRIAL_UPDATES
        )
        update_seconds = (many - few) / (TRIAL_UPDATES[1] - TRIAL_UPDATES[0])
        # Few is the time of compiling, of one validation and of some updates.
        updates = (60 * MINUTES - few) / update_seconds
        fused = 20  # updates that are one program: a whole number of them in each epoch
        steps = max(fused, math.floor(updates / settings.epochs / fused) * fused)
        plan.write_text(json.dumps({"steps_per_epoch": steps}), encoding="utf-8")
    return settings.model_copy(update=json.loads(plan.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
