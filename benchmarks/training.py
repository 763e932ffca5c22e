"""Time training, the same in PyTorch, and the matrix products of the machine.

    python -m benchmarks.training [--repeats 3]

Trains the network of params.yaml on random notes, and in turn with it the same network in PyTorch
(benchmarks/torch_model.py), which has a process of its own. Each trains for some seconds at a time; start-up and
compiling do not count. Then the same with other precisions, batch sizes, sequence lengths and widths. Square matrices
are multiplied in between. Before anything is timed, both networks must have the same loss with the same weights.

Prints the result and writes it to benchmarks/results/training.json. For each case: milliseconds per update, including
the making of its batch; notes per second; the operations of the matrix products in the model's definition (those of the
optimizer do not count) per second, also as a fraction of the machine's peak in single precision; and how many times as
fast as PyTorch it is.
"""

import argparse
import gc
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np

from benchmarks.measurement import (
    ROOT,
    elapsed_seconds,
    measure_in_turn,
    median_ratio,
    round_value,
    summarize,
    write_result,
)
from benchmarks.operations import count_operations
from benchmarks.training_batches import random_batches
from stages.check import Params
from stages.params.train import TrainParams
from stages.train import build_network, build_training_model
from stages.training.determinism import make_reproducible, single_thread_ops
from stages.training.muon import Muon
from stages.training.training_model import NUM_SHARDS, TrainingModel
from stages.utils.keras_setup import import_keras
from stages.utils.yaml_io import read_yaml

CASES = {  # the first one is that of params.yaml
    "float32": {"precision": "float32"},
    "bfloat16": {"precision": "bfloat16"},
    "batch size 32": {"batch_size": 32},
    "batch size 32, PyTorch with Muon": {"batch_size": 32},
    "sequence length 256": {"seq_len": 256},
    "LSTM width 192": {"lstm_units": 192},
    "LSTM width 768": {"lstm_units": 768},
}
TORCH_OPTIONS = {"batch size 32, PyTorch with Muon": ["--muon"]}
DEFAULTS_IN_RESULT = ("batch_size", "seq_len", "lstm_units", "trunk_units", "head_units", "infill_fraction")
TURN_SECONDS = 2.0  # for which one of the two trains before the other does
LEARNING_RATE = 1e-4
LOSS_TOLERANCE = 1e-4  # relative difference of the two losses, whose sums are in another order
MATRIX_SIZE = 2048  # rows and columns of the matrices that are multiplied for the peak
# Uses numpy's own library on all cores, in a process in which nothing else has threads.
_MULTIPLY_SCRIPT = f"""
import numpy, time
matrix, seconds = numpy.random.default_rng(1).random(({MATRIX_SIZE}, {MATRIX_SIZE}), numpy.float32), []
for _ in range(6):
    start = time.perf_counter()
    matrix @ matrix
    seconds.append(time.perf_counter() - start)
print(min(seconds))
"""

Train = Callable[[int], float]
"""Trains for a number of updates and returns the seconds that they took."""


def main() -> None:
    """Take all measurements and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()

    params = read_yaml(ROOT / "params.yaml", Params).train
    import_keras()
    make_reproducible(1)
    single_thread_ops()
    _check_same_loss(params.model_copy(update={"precision": "float32", "batch_size": 8, "seq_len": 16}))
    peaks = [_measure_peak_gflops()]
    seconds, operations = {}, {}
    for name, changes in CASES.items():
        case = params.model_copy(update=changes)
        seconds[name], operations[name] = _measure(case, arguments.repeats, TORCH_OPTIONS.get(name, []))
        peaks.append(_measure_peak_gflops())
    peak = statistics.median(peaks)
    cases = {
        name: _describe_case(params.model_copy(update=changes), seconds[name], operations[name], peak)
        for name, changes in CASES.items()
    }
    result = {
        "default": {name: getattr(params, name) for name in DEFAULTS_IN_RESULT},
        "float32_peak_gflops": summarize(peaks),
        "cases": cases,
    }
    write_result("training", result, "torch")


def _describe_case(case: TrainParams, seconds: dict[str, list[float]], operations: float, peak: float) -> dict:
    median = statistics.median(seconds["ours"])
    gflops = operations / median / 1e9
    return {
        "ms_per_update": summarize([1000 * value for value in seconds["ours"]]),
        "pytorch_ms_per_update": summarize([1000 * value for value in seconds["pytorch"]]),
        "notes_per_second": round_value(case.batch_size * case.seq_len / median),
        "giga_operations": round_value(operations / 1e9),
        "gflops": round_value(gflops),
        "fraction_of_float32_peak": round(gflops / peak, 2),
        "times_as_fast_as_pytorch": round(median_ratio(seconds["pytorch"], seconds["ours"]), 2),
    }


def _measure(train: TrainParams, repeats: int, torch_options: list[str]) -> tuple[dict[str, list[float]], float]:
    # Seconds of an update, ours and PyTorch's, and the operations of one.
    gc.collect()
    keras.backend.clear_session()
    model, batches = build_model(train), random_batches(train)
    optimizer = Muon(
        LEARNING_RATE,
        train.weight_decay,
        compute_dtype=model.network.compute_dtype,
        global_clipnorm=train.clip_norm,
    )
    model.compile(optimizer, jit_compile=False)

    def train_ours(updates: int) -> float:
        return elapsed_seconds(lambda: [model.train_on_batch(next(batches)) for _ in range(updates)])

    with _torch_process(train, *torch_options) as train_torch:
        cases = {"ours": _update_timer(train_ours), "pytorch": _update_timer(train_torch)}
        seconds = measure_in_turn(cases, repeats)
    return seconds, count_operations(model.network, train)


def _update_timer(train: Train) -> Callable[[], float]:
    train(1)  # compiles
    updates = max(2, round(TURN_SECONDS / train(1)))
    return lambda: train(updates) / updates


@contextmanager
def _torch_process(train: TrainParams, *options: str) -> Iterator[Train]:
    with subprocess.Popen(
        _torch_command(train, *options), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def train_torch(updates: int) -> float:
            print(updates, file=process.stdin, flush=True)
            return float(process.stdout.readline())

        yield train_torch
        process.stdin.close()


def _torch_command(train: TrainParams, *options: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.torch_model", train.model_dump_json(), *options]


def _check_same_loss(train: TrainParams) -> None:
    model = build_model(train.model_copy(update={"dropout": 0.0}))
    batch = next(random_batches(train))
    # In PyTorch the first rows of the batch are infill rows, here the first rows of each shard.
    infill_rows, other_rows = np.split(np.arange(train.batch_size), [len(batch["gap"])])
    shards = zip(*(np.array_split(rows, NUM_SHARDS) for rows in (infill_rows, other_rows)), strict=True)
    order = np.concatenate([rows for shard in shards for rows in shard])
    batch |= {name: batch[name][order] for name in ("rows", "reset")}
    ours = float(model.compute_loss(y_pred=model(batch)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "weights.npz")
        np.savez(path, **{weight.path: weight.numpy() for weight in model.network.trainable_variables})
        command = _torch_command(train, "--weights", str(path))
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    if not abs(float(done.stdout) - ours) < LOSS_TOLERANCE * ours:
        sys.exit(f"PyTorch's loss is {float(done.stdout):.5f}, not {ours:.5f}: it is another network")


def _measure_peak_gflops() -> float:
    # Billions of multiplications and additions per second, in float32.
    done = subprocess.run([sys.executable, "-c", _MULTIPLY_SCRIPT], capture_output=True, text=True, check=True)
    return 2 * MATRIX_SIZE**3 / float(done.stdout) / 1e9


def build_model(train: TrainParams) -> TrainingModel:
    """Return an untrained network with what training adds to it, as the train stage makes them."""
    return build_training_model(build_network(train), train)


if __name__ == "__main__":
    main()
