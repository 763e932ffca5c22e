"""How fast training is, in notes and in arithmetic, against what the machine can multiply and against PyTorch.

    python -m benchmarks.training [--repeats 3]

Trains the network of params.yaml on notes drawn at random, and the same in PyTorch (benchmarks/torch_peer.py) in a
process beside it, in turn, some seconds each, start-up and compiling apart; and multiplies square matrices in between.
Then other precisions, and numbers of streams, window lengths and widths. Before anything is timed both must find the
same loss with the same weights.

Prints, and writes to benchmarks/results/training.json, for each case: milliseconds an update, the making of its batch
included, notes a second, the arithmetic that the matrix products of the model's definition take, as a share of the
machine's single-precision peak (products of the optimizer do not count), and how many times as fast as the peer it is.
"""

import argparse
import gc
import statistics
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np

from benchmarks import feeding, measuring
from stages.model import bilstm
from stages.training import determinism, trainer
from stages.training.muon import Muon
from stages.utils.params import Train, load_params

CASES = {  # the first is the committed run's
    "bfloat16": {"precision": "bfloat16"},
    "float32": {"precision": "float32"},
    "32 streams": {"streams": 32},
    "32 streams, PyTorch by Muon too": {"streams": 32},
    "window of 256": {"window": 256},
    "192 units": {"units": 192},
    "768 units": {"units": 768},
}
_PEER = {"32 streams, PyTorch by Muon too": ["--muon"]}  # what the peer is told beside params
TURN = 2.0  # s that one of the two trains before it is the other's turn
RATE = 1e-4
ALIKE = 1e-4  # of the loss, by which the two may differ: sums are taken in another order
SIDE = 2048  # of the matrices that are multiplied for the peak
# By numpy's own library on all cores, in a process where nothing else has threads.
_MULTIPLY = f"""
import numpy, time
matrix, taken = numpy.random.default_rng(1).random(({SIDE}, {SIDE}), numpy.float32), []
for _ in range(6):
    begin = time.perf_counter()
    matrix @ matrix
    taken.append(time.perf_counter() - begin)
print(min(taken))
"""
# Kernels that read features: no gradient goes on to their inputs. The others' products are made three times.
_READ_FEATURES = ("forward/kernel", "backward/kernel", "from_last", "from_next", "_note", "_keys", "_rhythm", "_room")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()

    params = load_params(measuring.ROOT / "params.yaml").train
    determinism.make_reproducible(1)
    determinism.single_thread_ops()
    _check_alike(params.model_copy(update={"precision": "float32", "streams": 8, "window": 16}))
    peaks = [_peak()]
    taken, work = {}, {}
    for name, changes in CASES.items():
        case = params.model_copy(update=changes)
        taken[name], work[name] = _measure(case, arguments.repeats, _PEER.get(name, []))
        peaks.append(_peak())
    peak, result = statistics.median(peaks), {}
    for name, changes in CASES.items():
        case, ours = params.model_copy(update=changes), taken[name]["ours"]
        rate = work[name] / statistics.median(ours) / 1e9
        result[name] = {
            "ms_per_update": measuring.spread([1000 * value for value in ours]),
            "pytorch_ms_per_update": measuring.spread([1000 * value for value in taken[name]["peer"]]),
            "notes_per_second": measuring.short(case.streams * case.window / statistics.median(ours)),
            "giga_operations": measuring.short(work[name] / 1e9),
            "gflops": measuring.short(rate),
            "share_of_float32_peak": round(rate / peak, 2),
            "times_as_fast_as_pytorch": round(measuring.ratio(taken[name]["peer"], ours), 2),
        }
    shape = {name: getattr(params, name) for name in ("streams", "window", "units", "trunk", "head", "infill_share")}
    measuring.write(
        "training", {"default": shape, "float32_peak_gflops": measuring.spread(peaks), "cases": result}, "torch"
    )


def _measure(params: Train, repeats: int, peer_options: list[str]) -> tuple[dict[str, list[float]], float]:
    # Seconds an update, of ours and of the peer, and the operations of one.
    gc.collect()
    keras.backend.clear_session()
    model, supply = learner(params, params.dropout), feeding.at_random(params)
    model.compile(Muon(RATE, params.weight_decay, global_clipnorm=params.clip_norm), jit_compile=False)

    def ours(updates: int) -> float:
        return measuring.seconds(lambda: [model.train_on_batch(next(supply)) for _ in range(updates)])

    with _peer(params, *peer_options) as peer:
        ways = {}
        for name, train in (("ours", ours), ("peer", peer)):
            train(1)  # compiles, and makes what is made once
            updates = max(2, round(TURN / train(1)))
            ways[name] = lambda train=train, updates=updates: train(updates) / updates
        taken = measuring.in_turn(ways, repeats)
    return taken, _arithmetic(model.network, params)


@contextmanager
def _peer(params: Train, *options: str):
    # Gives what trains the peer for a number of updates and tells the seconds.
    process = subprocess.Popen(
        _peer_command(params, *options), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def train(updates: int) -> float:
        print(updates, file=process.stdin, flush=True)
        return float(process.stdout.readline())

    with process:
        yield train
        process.stdin.close()


def _peer_command(params: Train, *options: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.torch_peer", params.model_dump_json(), *options]


def _check_alike(params: Train) -> None:
    model = learner(params, dropout=0.0)
    batch = next(feeding.at_random(params))
    # The peer fills in the first streams of all, ours the first of each shard.
    filling, others = np.split(np.arange(params.streams), [len(batch["gap"])])
    shards = zip(*(np.array_split(streams, trainer.SHARDS) for streams in (filling, others)), strict=True)
    order = np.concatenate([streams for shard in shards for streams in shard])
    batch |= {name: batch[name][order] for name in ("rows", "reset")}
    ours = float(model.compute_loss(y_pred=model(batch)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "weights.npz")
        np.savez(path, **{weight.path: weight.numpy() for weight in model.network.trainable_variables})
        done = subprocess.run(
            _peer_command(params, "--weights", str(path)), stdout=subprocess.PIPE, text=True, check=True
        )
    if not abs(float(done.stdout) - ours) < ALIKE * ours:
        sys.exit(f"the peer finds a loss of {float(done.stdout):.5f}, not {ours:.5f}: it is another network")


def _peak() -> float:
    # Billions of multiplications and additions a second, in float32.
    done = subprocess.run([sys.executable, "-c", _MULTIPLY], capture_output=True, text=True, check=True)
    return 2 * SIDE**3 / float(done.stdout) / 1e9


def learner(params: Train, dropout: float) -> trainer.TrainingModel:
    """An untrained network with what training adds to it, as the train stage makes them."""
    policy = keras.DTypePolicy("mixed_bfloat16" if params.precision == "bfloat16" else "float32")
    network = bilstm.BiLSTM(params.units, params.trunk, params.head, params.longest_gap, params.pointers, dtype=policy)
    return trainer.TrainingModel(
        network, params.streams, dropout=dropout, carry=params.carry, last_only=params.targets == "last"
    )


def _arithmetic(network: bilstm.BiLSTM, params: Train) -> float:
    # Operations of an update's matrix products, a multiplication and an addition counted apart.
    streams = round(params.infill_share * params.streams)
    going_on, filling_in = params.streams * params.window, streams * params.window
    future = streams * (1 + params.window + params.longest_gap)
    total = 0
    for weight in network.trainable_variables:
        name = weight.path
        if len(weight.shape) != 2 or "from_gap" in name:
            continue
        if "backward" in name:
            rows = future
        elif any(part in name for part in ("from_future", "from_next", "_room")):
            rows = filling_in
        elif "forward" in name:
            rows = going_on
        else:
            rows = going_on + filling_in
        products = 2 if any(part in name for part in _READ_FEATURES) and "recurrent" not in name else 3
        total += 2 * products * rows * int(np.prod(weight.shape))
    return total


if __name__ == "__main__":
    main()
