"""The notebook that this project grew out of (benchmarks/baseline.py), side by side with the pipeline.

    python -m benchmarks.notebook [--minutes 2] [--samples 16]

Trains both on the same 15 pieces of data/notes for the same time, the pipeline's network with the settings of
params.yaml and a schedule that ends with the time, lets both play, and compares what they play with test music, as
stages.compare does. The notebook goes on from a window of real notes, ours begins from nothing.

Prints, and writes to benchmarks/results/notebook.json: targets trained a second; notes played a second, as
benchmarks/generation.py measures them; and of what the notebook played, what ours played after the same training, and
as many stretches of test music: the overlapped area, and the share of notes struck together with the one before, that
is with step 0, since the notebook's published sample is one chord: 375 of its 400 notes. The report page shows
`played`.
"""

import argparse
import math
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import keras
import numpy as np
import pandas as pd

from benchmarks import baseline, feeding, generation, measuring, training
from stages.generation import sampler
from stages.metrics import comparison, note_features
from stages.model import bilstm, serialization
from stages.representation.grid_encoding import decode, encode
from stages.representation.note_table import read_notes
from stages.training import determinism
from stages.training.muon import Muon
from stages.utils.params import Train, load_params

NOTES = 600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=2, help="of training, each")
    parser.add_argument("--samples", type=int, default=16, help="pieces of 600 notes that each plays")
    parser.add_argument("--repeats", type=int, default=3, help="of the speed measurements")
    arguments = parser.parse_args()

    notes = read_notes(measuring.ROOT / "data/notes/train.parquet")
    notes = notes[notes["piece"].isin(notes["piece"].unique()[: baseline.PIECES])]
    # A process each, since they want different threads of the backend.
    work = (notes, arguments.minutes * 60, arguments.samples)
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        trained, pieces = pool.submit(_notebook, *work).result()
        ours_trained, our_pieces = pool.submit(_ours, *work).result()
    ways = generation.ways(serialization.load_model(measuring.ROOT / "models/bilstm.keras"), (1, 8))
    speeds = measuring.in_turn(ways, arguments.repeats)
    test, validation = (
        read_notes(measuring.ROOT / f"data/reference/{split}.parquet") for split in ("test", "validation")
    )
    played, real = _compare(pieces, test, validation)
    result = {
        "trained": {"minutes": arguments.minutes, **trained},
        "ours_trained": {"minutes": arguments.minutes, **ours_trained},
        "notes_per_second": {name: measuring.spread(values)["median"] for name, values in speeds.items()},
        "played": played,
        "ours_played": _compare(our_pieces, test, validation)[0],
        "test_music": real,
    }
    measuring.write("notebook", result)


def _notebook(notes: pd.DataFrame, seconds: float, samples: int) -> tuple[dict, list[pd.DataFrame]]:
    keras.utils.set_random_seed(1)
    windows, targets = baseline.windows(notes)
    model = baseline.model()
    rate, epochs = baseline.train(model, windows, targets, seconds)
    pieces = baseline.play(model, windows[:: len(windows) // samples][:samples], NOTES)
    return {"epochs": round(epochs, 2), "targets_per_second": round(rate)}, pieces


def _ours(notes: pd.DataFrame, seconds: float, samples: int) -> tuple[dict, list[pd.DataFrame]]:
    keras.utils.set_random_seed(1)
    determinism.single_thread_ops()
    params = load_params(measuring.ROOT / "params.yaml")
    network, heard, taken = _train(params.train, notes, seconds)
    taste = sampler.SamplingConfig(
        params.generate.temperature, params.generate.top_p, params.generate.min_p, params.generate.steadiness
    )
    played = sampler.generate_continuations(network, [np.zeros((0, 4), np.int32)] * samples, NOTES, 1, taste)
    about = {"epochs": round(heard / len(notes), 2), "targets_per_second": round(heard / taken)}
    return about, [decode(fields) for fields in played]


def _train(params: Train, notes: pd.DataFrame, seconds: float) -> tuple[bilstm.BiLSTM, int, float]:
    # A network that has learnt for so many seconds, the first update's apart, the notes it heard and the exact time.
    pieces = [piece for _, piece in notes.groupby("piece")]
    learner = training.learner(params, params.dropout)
    learner.compile(Muon(0.0, params.weight_decay, global_clipnorm=params.clip_norm), jit_compile=False)
    ways = [lambda stretch, piece=piece: encode(piece, stretch) for piece in pieces]
    supply = feeding.of_pieces(params, ways, [len(piece) for piece in pieces])
    learner.train_on_batch(next(supply))  # at a rate of nought
    begin, passed, updates, heard = time.perf_counter(), 0.0, 0, 0
    while passed < seconds:
        warm = min(1, (updates + 1) / params.warmup_steps)
        learner.optimizer.learning_rate = params.learning_rate * warm * (1 + math.cos(math.pi * passed / seconds)) / 2
        logs = learner.train_on_batch(next(supply), return_dict=True)
        heard += int(logs["continuing_notes"])
        updates, passed = updates + 1, time.perf_counter() - begin
    plain = bilstm.BiLSTM(**learner.network.get_config())
    plain.set_weights(learner.network.get_weights())
    return plain, heard, passed


def _compare(pieces: list[pd.DataFrame], test: pd.DataFrame, validation: pd.DataFrame) -> tuple[dict, dict]:
    # The same figures of the pieces and of real music: validation music where overlap is concerned.
    real, ceiling = note_features.add_features(test), note_features.add_features(validation)
    table = pd.concat([piece.assign(piece=np.int32(at)) for at, piece in enumerate(pieces)])
    excerpts = comparison.cut_excerpts(note_features.add_features(table), NOTES)
    reference = comparison.cut_excerpts(real, NOTES, comparison.MAX_REFERENCE_EXCERPTS)
    overlap = comparison.overlaps(excerpts, comparison.cut_excerpts(ceiling, NOTES), reference)
    habits = comparison.compare_descriptors(excerpts, comparison.cut_excerpts(real, NOTES), [])

    def figures(beside: str, habit: str) -> dict:
        return {
            "excerpt_notes": NOTES,
            "overlapped_area": {name: round(values[beside], 4) for name, values in overlap["overlapped_area"].items()},
            "histogram_overlap": round(overlap["histogram_overlap"]["mean"][beside], 4),
            "struck_together": round(habits["struck_together"][habit], 4),
            "longest_repeat": round(habits["longest_repeat"][habit], 1),
        }

    return figures("generated", "generated"), figures("ceiling", "test")


if __name__ == "__main__":
    main()
