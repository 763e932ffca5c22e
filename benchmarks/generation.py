"""Time generation, the notebook's way of generating, the matrix products alone, and the start of compose.py.

    python -m benchmarks.generation [--repeats 3]

Needs models/bilstm.keras. Measures, in turn and without start-up and compiling:

- notes per second of the notebook (benchmarks/baseline.py), which calls `model.predict` for each note of one piece;
- notes per second of stages.generation with batch sizes of 1, 8 and 64;
- notes per second of numpy for the matrix products of a note, one after the other, and nothing else.

Then times `compose.py improvise --seconds 30`, and its phases: imports, loading, compiling and sampling.

Prints the result and writes it to benchmarks/results/generation.json.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from benchmarks import baseline
from benchmarks.measurement import ROOT, elapsed_seconds, measure_in_turn, median_ratio, summarize, write_result
from stages.generation.continuation import ContinuationRequest, generate_continuations
from stages.generation.sampler import NOTES_PER_CALL
from stages.model.bilstm import BiLSTM
from stages.model.serialization import load_model

BATCH_SIZES = (1, 8, 64)
MODEL = ROOT / "models/bilstm.keras"
COMPOSE_SECONDS = 30  # of music
NOTEBOOK_NOTES = 60
_FUTURE_LAYERS = ("backward_lstm", "future_proj", "next_note_proj", "gap_embedding")  # not used without a future
# Prints the seconds of the products of a note. Runs in a process in which nothing else has threads.
_MULTIPLY_SCRIPT = """
import json, sys, time, numpy
batch_size, shapes = json.loads(sys.argv[1])
rng = numpy.random.default_rng(1)
pairs = [tuple(rng.random(size, numpy.float32) for size in ((batch_size, shape[0]), shape)) for shape in shapes]
for attempt in range(2):
    start = time.perf_counter()
    for _ in range(300):
        for inputs, kernel in pairs:
            inputs @ kernel
print((time.perf_counter() - start) / 300)
"""


def main() -> None:
    """Take all measurements and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()

    network = load_model(MODEL)
    cases = generation_cases(network, BATCH_SIZES)
    cases |= {_products_name(size): partial(_time_products, network, size) for size in BATCH_SIZES}
    rates = measure_in_turn(cases, arguments.repeats)
    runs = measure_in_turn({"whole": _time_compose, "phases": _time_phases}, arguments.repeats)
    phases = {name: [run["seconds"][name] for run in runs["phases"]] for name in runs["phases"][0]["seconds"]}
    result = {
        "notes_per_second": {name: summarize(values) for name, values in rates.items()},
        "times_the_notebook": {
            _case_name(size): median_ratio(rates[_case_name(size)], rates["notebook"]) for size in BATCH_SIZES
        },
        "fraction_of_bare_products": {
            _case_name(size): median_ratio(rates[_case_name(size)], rates[_products_name(size)]) for size in BATCH_SIZES
        },
        "compose": {
            "seconds_of_music": COMPOSE_SECONDS,
            "notes": runs["phases"][0]["notes"],
            "seconds": summarize(runs["whole"]),
            "phases": {name: summarize(values) for name, values in phases.items()},
        },
    }
    write_result("generation", result)


def generation_cases(network: BiLSTM, batch_sizes: Sequence[int]) -> dict[str, Callable[[], float]]:
    """Return functions that generate for some seconds and return the notes per second.

    Args:
        network: the trained network.
        batch_sizes: batch sizes for `network`.

    Returns:
        "notebook", and "batch size <n>" for each of `batch_sizes`.
    """
    notebook, window = baseline.build_model(), np.zeros((1, baseline.WINDOW_NOTES, 3), np.float32)
    baseline.generate(notebook, window, 1)  # compiles

    def notebook_rate() -> float:
        return NOTEBOOK_NOTES / elapsed_seconds(partial(baseline.generate, notebook, window, NOTEBOOK_NOTES))

    return {"notebook": notebook_rate} | {
        _case_name(size): partial(_generation_rate, network, size) for size in batch_sizes
    }


def _case_name(batch_size: int) -> str:
    return f"batch size {batch_size}"


def _products_name(batch_size: int) -> str:
    return f"{_case_name(batch_size)}, bare products"


def _generation_rate(network: BiLSTM, batch_size: int) -> float:
    # The difference between long and short pieces, which leaves out compiling.
    prompts = [np.zeros((0, 4), np.int32)] * batch_size
    requests = [ContinuationRequest(prompts, calls * NOTES_PER_CALL) for calls in (1, 17)]
    short, long = (elapsed_seconds(partial(generate_continuations, network, request, seed=1)) for request in requests)
    return batch_size * 16 * NOTES_PER_CALL / (long - short)


def _time_products(network: BiLSTM, batch_size: int) -> float:
    shapes = [
        tuple(weight.shape)
        for weight in network.trainable_variables
        if len(weight.shape) == 2 and not any(name in weight.path for name in _FUTURE_LAYERS)
    ]
    return batch_size / float(_run_python("-c", _MULTIPLY_SCRIPT, json.dumps([batch_size, shapes])))


def _time_compose() -> float:
    with tempfile.TemporaryDirectory() as folder:
        options = {"--seconds": str(COMPOSE_SECONDS), "--out": f"{folder}/music.mid", "--model": str(MODEL)}
        arguments = [argument for option in options.items() for argument in option]
        return elapsed_seconds(partial(_run_python, "compose.py", "improvise", *arguments))


def _time_phases() -> dict:
    return json.loads(_run_python("-m", "benchmarks.startup", str(MODEL), str(COMPOSE_SECONDS)))


def _run_python(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout


if __name__ == "__main__":
    main()
