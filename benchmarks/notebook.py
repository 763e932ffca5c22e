"""Compare the notebook that this project grew out of (benchmarks/baseline.py) with the pipeline.

    python -m benchmarks.notebook [--minutes 2] [--samples 16]

Needs a finished run of the pipeline on MAESTRO. Trains both networks for the same time on the same 15 pieces of
data/notes, ours with the settings of params.yaml and a schedule that ends with that time. Then both generate samples:
the notebook continues windows of real notes, ours starts from nothing. The samples are compared with test music as
stages.compare does.

Prints the result and writes it to benchmarks/results/notebook.json: targets trained on per second; notes generated per
second, as benchmarks/generation.py measures them; and, for the samples of both networks and for as many excerpts of
real music, the overlapped area and descriptors. The same-onset rate is among them because 375 of the 400 notes of the
notebook's published sample are one chord. The report page shows `played`, which describes the samples of the notebook.
"""

import argparse
import math
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import keras
import numpy as np
import pandas as pd

from benchmarks import baseline
from benchmarks.generation import MODEL, generation_cases
from benchmarks.measurement import ROOT, measure_in_turn, summarize, write_result
from benchmarks.training import build_model
from benchmarks.training_batches import batches_of_pieces
from stages.check import Params
from stages.generation.continuation import ContinuationRequest, generate_continuations
from stages.generation.sampling_config import SamplingConfig
from stages.metrics import comparison
from stages.metrics.note_features import add_features
from stages.model.bilstm import BiLSTM
from stages.model.serialization import load_model
from stages.params.train import TrainParams
from stages.representation.grid_encoding import decode, encode
from stages.representation.note_table import read_notes
from stages.training.data import TrainingPiece
from stages.training.determinism import single_thread_ops
from stages.training.muon import Muon
from stages.utils.paths import EXCERPTS, NOTES
from stages.utils.yaml_io import read_yaml

SAMPLE_NOTES = 600


def main() -> None:
    """Train, generate, compare and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=2, help="training time of each network")
    parser.add_argument("--samples", type=int, default=16, help="samples of each network")
    parser.add_argument("--repeats", type=int, default=3, help="repeats of the speed measurements")
    arguments = parser.parse_args()

    notes = read_notes(ROOT / NOTES / "train.parquet")
    notes = notes[notes["piece"].isin(notes["piece"].unique()[: baseline.PIECES])]
    # A process for each network, since they configure the threads of the backend differently.
    work = (notes, arguments.minutes * 60, arguments.samples)
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        trained, samples = pool.submit(_run_notebook, *work).result()
        ours_trained, our_samples = pool.submit(_run_ours, *work).result()
    speeds = measure_in_turn(generation_cases(load_model(MODEL), (1, 8)), arguments.repeats)
    test, validation = (
        add_features(read_notes(ROOT / EXCERPTS / f"{split}.parquet")) for split in ("test", "validation")
    )
    measures, real_measures = _compare(samples, test, validation)
    our_measures, _ = _compare(our_samples, test, validation)
    result = {
        "trained": {"minutes": arguments.minutes, **trained},
        "ours_trained": {"minutes": arguments.minutes, **ours_trained},
        "notes_per_second": {name: summarize(values)["median"] for name, values in speeds.items()},
        "played": measures,
        "ours_played": our_measures,
        "test_music": real_measures,
    }
    write_result("notebook", result)


def _run_notebook(notes: pd.DataFrame, seconds: float, num_samples: int) -> tuple[dict, list[pd.DataFrame]]:
    keras.utils.set_random_seed(1)
    windows, targets = baseline.make_windows(notes)
    model = baseline.build_model()
    rate, epochs = baseline.train(model, windows, targets, seconds)
    prompts = windows[:: len(windows) // num_samples][:num_samples]
    samples = baseline.generate(model, prompts, SAMPLE_NOTES)
    return {"epochs": round(epochs, 2), "targets_per_second": round(rate)}, samples


def _run_ours(notes: pd.DataFrame, seconds: float, num_samples: int) -> tuple[dict, list[pd.DataFrame]]:
    keras.utils.set_random_seed(1)
    single_thread_ops()
    params = read_yaml(ROOT / "params.yaml", Params)
    network, notes_seen, elapsed = _train_for(seconds, params.train, notes)
    config = SamplingConfig.from_params(params.generate)
    request = ContinuationRequest([np.zeros((0, 4), np.int32)] * num_samples, SAMPLE_NOTES)
    samples = [decode(fields) for fields in generate_continuations(network, request, seed=1, config=config)]
    summary = {"epochs": round(notes_seen / len(notes), 2), "targets_per_second": round(notes_seen / elapsed)}
    return summary, samples


def _train_for(seconds: float, train: TrainParams, notes: pd.DataFrame) -> tuple[BiLSTM, int, float]:
    # The network after training for a time, which leaves out the first update; the notes seen, and the exact time.
    pieces = [TrainingPiece(len(piece), partial(encode, piece)) for _, piece in notes.groupby("piece")]
    model = build_model(train)
    model.compile(
        Muon(0.0, train.weight_decay, compute_dtype=model.network.compute_dtype, global_clipnorm=train.clip_norm),
        jit_compile=False,
    )
    batches = batches_of_pieces(train, pieces)
    model.train_on_batch(next(batches))  # compiles; the learning rate is zero
    start, elapsed, updates, notes_seen = time.perf_counter(), 0.0, 0, 0
    while elapsed < seconds:
        warmup = min(1, (updates + 1) / train.warmup_steps)
        model.optimizer.learning_rate = train.learning_rate * warmup * (1 + math.cos(math.pi * elapsed / seconds)) / 2
        sums = model.train_on_batch(next(batches), return_dict=True)
        notes_seen += int(sums["continuation_notes"])
        updates, elapsed = updates + 1, time.perf_counter() - start
    network = BiLSTM(**model.network.get_config())
    network.set_weights(model.network.get_weights())
    return network, notes_seen, elapsed


def _compare(samples: list[pd.DataFrame], test: pd.DataFrame, validation: pd.DataFrame) -> tuple[dict, dict]:
    # The measures of the samples and those of real music: the overlap of validation with test music, and descriptors of
    # test music.
    notes = pd.concat([sample.assign(piece=np.int32(index)) for index, sample in enumerate(samples)])
    generated = comparison.cut_excerpts(add_features(notes), SAMPLE_NOTES)
    reference = comparison.cut_excerpts(test, SAMPLE_NOTES, comparison.MAX_REFERENCE_EXCERPTS)
    overlap = comparison.overlap_table(generated, comparison.cut_excerpts(validation, SAMPLE_NOTES), reference)
    descriptors = comparison.descriptor_table(generated, comparison.cut_excerpts(test, SAMPLE_NOTES), [])
    pairs = (("generated", "generated"), ("validation", "test"))
    return tuple(_measures(overlap, descriptors, *pair) for pair in pairs)


def _measures(overlap: pd.DataFrame, descriptors: pd.DataFrame, overlap_of: str, descriptors_of: str) -> dict:
    overlap = overlap[overlap["music"] == overlap_of].set_index(["measure", "feature"])["value"]
    descriptors = descriptors[descriptors["music"] == descriptors_of].set_index("descriptor")["value"]
    return {
        "excerpt_notes": SAMPLE_NOTES,
        "overlapped_area": {name: round(value, 4) for name, value in overlap["overlapped_area"].items()},
        "histogram_overlap": round(overlap["histogram_overlap", "mean"], 4),
        "same_onset_rate": round(descriptors["same_onset_rate"], 4),
        "max_note_repeat": round(descriptors["max_note_repeat"], 1),
    }


if __name__ == "__main__":
    main()
