"""Train a small network with Keras on JAX, in a process of its own: python -m tests.helpers.jax_training FOLDER.

FOLDER holds weights.npz, from which the network begins, and batches.npz. Writes result.npz: the sums of all updates and
the weights after them.
"""

import sys
from pathlib import Path

import numpy as np

from stages.utils.keras_setup import import_keras

SIZES = {"lstm_units": 8, "trunk_units": 8, "head_units": 8, "max_gap_notes": 4}
BATCH_SIZE = 4


def make_model(weights=None):
    """Return a compiled training model with the given weights, if any."""
    from stages.model.bilstm import BiLSTM
    from stages.training.muon import Muon
    from stages.training.training_model import TrainingModel

    network = BiLSTM(**SIZES)
    if weights is not None:
        network.set_weights(weights)
    model = TrainingModel(network, BATCH_SIZE, num_shards=1)
    model.compile(Muon(0.01, 0.1, global_clipnorm=1.0), jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return model


def main(folder: Path) -> None:
    """Train and write the result."""
    import_keras("jax")
    from stages.training.determinism import make_reproducible
    from stages.training.updates import make_updates

    make_reproducible(1)
    with np.load(folder / "weights.npz") as file:
        model = make_model([file[name] for name in sorted(file.files)])
    with np.load(folder / "batches.npz") as file:
        stacked = {name: file[name] for name in file.files}
    count = len(stacked["reset"])
    updates = make_updates(model, steps_per_epoch=count)
    assert updates.size == count
    sums = updates.run([{name: values[number] for name, values in stacked.items()} for number in range(count)])
    weights = {f"weight_{number:03}": weight for number, weight in enumerate(model.network.get_weights())}
    np.savez(folder / "result.npz", **{f"sum_{name}": value for name, value in sums.items()}, **weights)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
