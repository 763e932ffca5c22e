"""How fast training is, in notes and in arithmetic, against what the machine can multiply.

    python -m benchmarks.training [--updates 20] [--repeats 3]

Trains the network of params.yaml, in bfloat16 and in float32, on notes drawn at random (training takes no less time for
music), and multiplies square matrices in between, in one process, in turn. Prints, and writes to
benchmarks/results/training.json: milliseconds an update, notes a second, and the arithmetic that the matrix products of
the model's definition take, as a share of the machine's single-precision peak; products of the optimizer do not count.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import keras
import numpy as np

from stages import settings
from stages.network import batches, bilstm, fitting, runtime

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks/results/training.json"
SIDE = 2048  # of the matrices that are multiplied for the peak
# Kernels that read features: no gradient goes on to their inputs. The others' products are made three times.
_READ_FEATURES = ("forward/kernel", "backward/kernel", "from_last", "from_next", "_note", "_keys", "_rhythm", "_room")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=int, default=20, help="in one measurement")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()

    params = settings.load(ROOT / "params.yaml").train
    runtime.make_reproducible(1)
    runtime.one_thread_each()
    peak = _peak()  # on all threads: the training below uses both cores too, but one for an operation
    learners = {precision: _learner(params, precision) for precision in ("bfloat16", "float32")}
    supply = _batches(params)
    seconds: dict[str, list[float]] = {precision: [] for precision in learners}
    peaks = [peak]
    for turn in range(arguments.repeats + 1):
        for precision, learner in learners.items():
            given = [next(supply) for _ in range(arguments.updates if turn else 1)]
            begin = time.perf_counter()
            for batch in given:
                learner.train_on_batch(batch)
            if turn:  # the first one compiles
                seconds[precision].append((time.perf_counter() - begin) / arguments.updates)
        peaks.append(_peak())
    notes = params.streams * params.window
    work = _arithmetic(learners["float32"].network, params)
    best = statistics.median(peaks)
    result = {
        "made_on": runtime.environment(),
        "update": {"streams": params.streams, "window": params.window, "giga_operations": round(work / 1e9, 1)},
        "float32_peak_gflops": {"median": round(best), "least": round(min(peaks)), "most": round(max(peaks))},
    }
    for precision, taken in seconds.items():
        median = statistics.median(taken)
        result[precision] = {
            "ms_per_update": {name: round(1000 * of(taken)) for name, of in _SPREAD.items()},
            "notes_per_second": round(notes / median),
            "gflops": round(work / median / 1e9),
            "share_of_float32_peak": round(work / median / 1e9 / best, 2),
        }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


_SPREAD = {"median": statistics.median, "least": min, "most": max}


def _peak() -> float:
    # Billions of multiplications and additions a second, in float32, by numpy's own library, on all cores.
    matrix = np.random.default_rng(1).random((SIDE, SIDE), np.float32)
    fastest = float("inf")
    for _ in range(6):
        begin = time.perf_counter()
        matrix @ matrix
        fastest = min(fastest, time.perf_counter() - begin)
    return 2 * SIDE**3 / fastest / 1e9


def _learner(params: settings.Train, precision: str) -> fitting.Learner:
    policy = keras.DTypePolicy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    network = bilstm.BiLSTM(params.units, params.trunk, params.head, params.longest_gap, params.pointers, dtype=policy)
    learner = fitting.Learner(
        network, params.streams, dropout=params.dropout, carry=params.carry, last_only=params.targets == "last"
    )
    learner.compile(fitting.Muon(1e-4, params.weight_decay, global_clipnorm=params.clip_norm), jit_compile=False)
    return learner


def _batches(params: settings.Train):
    random = np.random.default_rng(1)

    def piece(_stretch: float) -> np.ndarray:
        highest = [[40, 88, 200, 32]]
        return np.maximum(random.integers(0, highest, (20_000, 4)), [0, 0, 1, 0]).astype(np.int32)

    return batches.training_batches(
        [piece] * params.streams,
        [20_000] * params.streams,
        seed=1,
        streams=params.streams,
        window=params.window,
        infill_streams=round(params.infill_share * params.streams),
        longest_gap=params.longest_gap,
        transpose=0,
        stretch=0.0,
    )


def _arithmetic(network: bilstm.BiLSTM, params: settings.Train) -> float:
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
