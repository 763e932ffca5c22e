"""Train as on one machine and as on several, in processes of their own, with little to compile.

python -m tests.helpers.distributed_training stage: runs the stage `train` in the current folder.

python -m tests.helpers.distributed_training updates FOLDER: makes the same updates of models that begin alike on one
and on several logical devices of the processor, and writes what came of them to result.npz in FOLDER.
"""

import sys
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from stages import train
from stages.params.train import TrainParams
from stages.utils.keras_setup import import_keras
from stages.utils.runner import run_stage

SIZES = {"lstm_units": 8, "trunk_units": 8, "head_units": 8, "max_gap_notes": 4, "duration_pointers": False}
BATCH_SIZE, NUM_DEVICES, UPDATES = 6, 3, 3
INFILL_ROWS = 2  # so one of the devices has none


def reduce_sizes(set_attribute=setattr) -> None:
    """Let the stage compile less: a single shard, and small batches for validation."""
    from stages.model import likelihood
    from stages.training import training_model

    set_attribute(training_model, "NUM_SHARDS", 1)
    set_attribute(likelihood, "BATCH_SIZE", 2)
    set_attribute(likelihood, "SEQ_LEN", 8)


def make_batches(infill_rows: int):
    """Return training batches of pieces that are shorter than a window, so that devices count different notes."""
    from stages.training.data import BatchConfig, TrainingPiece, training_batches
    from tests.helpers.made_up_notes import random_fields

    pieces = [TrainingPiece(length, partial(_unstretched, random_fields(length, length))) for length in range(3, 12)]
    config = BatchConfig(
        seed=1,
        batch_size=BATCH_SIZE,
        seq_len=8,
        infill_fraction=infill_rows / BATCH_SIZE,
        max_gap_notes=SIZES["max_gap_notes"],
        transpose_semitones=3,
        time_stretch=0.0,
    )
    return list(islice(training_batches(pieces, config), UPDATES))


def _unstretched(fields, stretch):
    return fields


def make_model():
    """Return a compiled training model."""
    import keras

    from stages.model.bilstm import BiLSTM
    from stages.training.muon import Muon
    from stages.training.training_model import TrainingModel

    keras.utils.set_random_seed(1)
    model = TrainingModel(BiLSTM(**SIZES), BATCH_SIZE, dropout=0.3, num_shards=1)
    model.compile(Muon(0.01, 0.1, global_clipnorm=0.5), jit_compile=False)  # the norm is larger at first
    model.optimizer.build(model.trainable_variables)
    return model


def compare_updates(folder: Path) -> None:
    """Train on one device and on several, with and without infill rows."""
    import tensorflow as tf

    from stages.training.distributed_updates import DistributedUpdates
    from stages.training.losses import LOSS_SUMS
    from stages.training.updates import TensorFlowUpdates

    tf.config.run_functions_eagerly(True)  # compiling would take a minute
    processor = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * NUM_DEVICES)
    strategy = tf.distribute.MirroredStrategy([f"CPU:{number}" for number in range(NUM_DEVICES)])
    result = {}
    for infill_rows in (INFILL_ROWS, 0):
        with strategy.scope():
            model = make_model()
        for name, updates in (
            ("one", TensorFlowUpdates(one := make_model())),
            ("several", DistributedUpdates(model, strategy)),
        ):
            key = f"{name}_{infill_rows}"
            sums = [updates.run([batch]) for batch in make_batches(infill_rows)]
            result[f"{key}_sums"] = np.array([[step[sum_name] for sum_name in LOSS_SUMS] for step in sums])
            tf.config.run_functions_eagerly(False)  # which cannot gather
            updates.collect_state()
            tf.config.run_functions_eagerly(True)
            trained = one if name == "one" else model
            result[f"{key}_state"] = trained.lstm_state.numpy()
            weights = enumerate(trained.network.get_weights())
            result |= {f"{key}_weight_{number:03}": weight for number, weight in weights}
    # What is asked for before an update is agreed on after it, and a checkpoint is not asked for twice.
    result["agreed"] = np.array([updates.agree(*wish) for wish in [(True, True)]])
    for wish in [(False, True), (False, False), (False, False)]:
        updates.run(make_batches(0)[:1])
        result["agreed"] = np.append(result["agreed"], [updates.agree(*wish)], axis=0)
    np.savez(folder / "result.npz", **result)


if __name__ == "__main__":
    import_keras()
    if sys.argv[1] == "stage":
        reduce_sizes()
        run_stage(train.main, train=TrainParams)
    else:
        compare_updates(Path(sys.argv[2]))
