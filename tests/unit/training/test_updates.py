"""Updates on JAX are those on TensorFlow."""

import itertools
import os
import subprocess
import sys
from functools import partial

import keras
import numpy as np
import pytest

from stages.training.data import BatchConfig, TrainingPiece, training_batches
from stages.training.losses import LossSums
from stages.training.updates import make_updates
from tests.helpers.jax_training import BATCH_SIZE, SIZES, make_model
from tests.helpers.made_up_notes import random_fields
from tests.helpers.source_analysis import ROOT

CONFIG = {
    "seed": 1,
    "batch_size": BATCH_SIZE,
    "seq_len": 8,
    "infill_fraction": 0.5,
    "max_gap_notes": SIZES["max_gap_notes"],
    "transpose_semitones": 3,
    "time_stretch": 0.0,
}
UPDATES = 3


def ignore_stretch(fields, stretch):
    return fields


def make_batches(**config):
    fields = [random_fields(seed, 30) for seed in range(5)]
    pieces = [TrainingPiece(len(piece), partial(ignore_stretch, piece)) for piece in fields]
    return list(itertools.islice(training_batches(pieces, BatchConfig(**CONFIG, **config)), UPDATES))


@pytest.mark.slow
def test_jax_trains_like_tensorflow(tmp_path, uncompiled):
    keras.utils.set_random_seed(2)
    model = make_model()
    weights = model.network.get_weights()
    np.savez(tmp_path / "weights.npz", **{f"{number:03}": weight for number, weight in enumerate(weights)})
    batches = make_batches(expand_on_device=True)
    stacked = {name: np.stack([batch[name] for batch in batches]) for name in batches[0]}
    np.savez(tmp_path / "batches.npz", **stacked)
    # Compiling without optimization takes a fraction of the time.
    environment = os.environ | {"XLA_FLAGS": "--xla_backend_optimization_level=0", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "tests.helpers.jax_training", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)

    sums, updates = LossSums(), make_updates(model, UPDATES)
    for batch in make_batches():
        sums.add(updates.run([batch]))
    with np.load(tmp_path / "result.npz") as file:
        result = {name: file[name] for name in file.files}
    for name in vars(sums):
        assert result.pop(f"sum_{name}") == pytest.approx(getattr(sums, name), rel=1e-4), name
    for (name, on_jax), on_tensorflow, before in zip(
        sorted(result.items()), model.network.get_weights(), weights, strict=True
    ):
        # Not to a tolerance for each weight, since Adam makes whole steps of gradients that are rounding errors.
        assert np.linalg.norm(on_jax - on_tensorflow) < 0.05 * np.linalg.norm(on_tensorflow - before) + 1e-6, name
