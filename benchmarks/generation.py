"""How fast the network plays, against the notebook's way and against its bare matrix products; how compose.py starts.

    python -m benchmarks.generation [--repeats 3]

Needs models/bilstm.keras. Prints, and writes to benchmarks/results/generation.json: notes a second of the notebook's
way (benchmarks/baseline.py: `model.predict` for each note of one piece) and of stages.generation.sampler with 1, 8, 64
streams, start-up excluded; of the matrix products that a note takes, made by numpy one after the other and nothing
else; all in turn. And how long `compose.py improvise --seconds 30` takes, and what of it goes to imports, loading,
compiling and sampling.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks import baseline, measuring
from stages.generation import sampler
from stages.model import bilstm, serialization

STREAMS = (1, 8, 64)
MODEL = measuring.ROOT / "models/bilstm.keras"
SECONDS = 30  # of music that compose.py is asked for
_OF_THE_FUTURE = ("backward", "from_future", "from_next", "from_gap", "_room")  # not multiplied where there is none
# Seconds of a note's products, in a process where nothing else has threads.
_MULTIPLY = """
import json, sys, time, numpy
streams, shapes = json.loads(sys.argv[1])
random = numpy.random.default_rng(1)
pairs = [tuple(random.random(size, numpy.float32) for size in ((streams, shape[0]), shape)) for shape in shapes]
for turn in range(2):
    begin = time.perf_counter()
    for _ in range(300):
        for inputs, kernel in pairs:
            inputs @ kernel
print((time.perf_counter() - begin) / 300)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()

    network = serialization.load_model(MODEL)
    played = ways(network, STREAMS)
    bare = {f"{name}, bare products": _products(network, count) for name, count in _named(STREAMS).items()}
    rates = measuring.in_turn(played | bare, arguments.repeats)
    starts = measuring.in_turn({"whole": _compose, "steps": _steps}, arguments.repeats)
    steps = {name: [one["seconds"][name] for one in starts["steps"]] for name in starts["steps"][0]["seconds"]}
    result = {
        "notes_per_second": {name: measuring.spread(values) for name, values in rates.items()},
        "times_the_notebook": {name: measuring.ratio(rates[name], rates["notebook"]) for name in _named(STREAMS)},
        "share_of_bare_products": {
            name: measuring.ratio(rates[name], rates[f"{name}, bare products"]) for name in _named(STREAMS)
        },
        "compose": {
            "seconds_of_music": SECONDS,
            "notes": starts["steps"][0]["notes"],
            "seconds": measuring.spread(starts["whole"]),
            "steps": {name: measuring.spread(values) for name, values in steps.items()},
        },
    }
    measuring.write("generation", result)


def ways(network: bilstm.BiLSTM, streams: Sequence[int]) -> dict[str, Callable[[], float]]:
    """Ways to play, by name; each plays for some seconds and gives the notes a second."""
    notebook, window = baseline.model(), np.zeros((1, baseline.WINDOW, 3), np.float32)

    def by_predict() -> float:
        return 60 / measuring.seconds(lambda: baseline.play(notebook, window, 60))

    def ours(count: int) -> float:
        # A short piece is taken off a long one's time, and with it reading and compiling.
        short, long = (
            measuring.seconds(
                lambda chunks=chunks: sampler.generate_continuations(
                    network, [np.zeros((0, 4), np.int32)] * count, chunks * sampler.NOTES_PER_CALL, seed=1
                )
            )
            for chunks in (1, 17)
        )
        return count * 16 * sampler.NOTES_PER_CALL / (long - short)

    baseline.play(notebook, window, 1)  # compiles
    found = {name: lambda count=count: ours(count) for name, count in _named(streams).items()}
    return {"notebook": by_predict, **found}


def _named(streams: Sequence[int]) -> dict[str, int]:
    return {f"{count} stream{'s' if count > 1 else ''}": count for count in streams}


def _products(network: bilstm.BiLSTM, streams: int) -> Callable[[], float]:
    shapes = [
        tuple(weight.shape)
        for weight in network.trainable_variables
        if len(weight.shape) == 2 and not any(part in weight.path for part in _OF_THE_FUTURE)
    ]
    return lambda: streams / float(_run("-c", _MULTIPLY, json.dumps([streams, shapes])))


def _compose() -> float:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            "compose.py",
            "improvise",
            "--seconds",
            str(SECONDS),
            "--out",
            f"{folder}/a.mid",
            "--model",
            str(MODEL),
        ]
        return measuring.seconds(lambda: _run(*command))


def _steps() -> dict:
    return json.loads(_run("-m", "benchmarks.starting", str(MODEL), str(SECONDS)))


def _run(*command: str) -> str:
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True, cwd=measuring.ROOT)
    return done.stdout


if __name__ == "__main__":
    main()
