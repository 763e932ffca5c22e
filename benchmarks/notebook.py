"""The notebook that this project grew out of, written anew from its description, side by side with the pipeline.

    python -m benchmarks.notebook [--minutes 5] [--samples 16]

A Bidirectional(LSTM(128)) reads windows of 25 notes (pitch, step, duration) and foretells the next one: softmax over
128 pitches, its cross-entropy weighted 0.05, and squared errors of step and duration that punish negative ones tenfold.
Adam at 0.005, batches of 64, 15 pieces. It plays by `model.predict` on the last 25 notes, a note at a time, pitch at
temperature 2, all notes of one loudness.

Needs data/notes and models/bilstm.keras. Prints, and writes to benchmarks/results/notebook.json: targets trained a
second; notes played a second by the notebook's way, and by stages.network.sampling with 1 and 8 streams, start-up
excluded, measured in turn; and how its pieces compare with test music, measured as stages.compare does.
"""

import argparse
import json
import statistics as medians
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from keras import layers, ops

from stages.music import similarity, statistics
from stages.music.notes import arrange, read_notes
from stages.network import bilstm, runtime, sampling

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks/results/notebook.json"
WINDOW, PITCHES, PIECES, NOTES, LOUDNESS = 25, 128, 15, 600, 100
TEMPERATURE = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5, help="of training")
    parser.add_argument("--samples", type=int, default=16, help="pieces of 600 notes that it plays")
    parser.add_argument("--repeats", type=int, default=3, help="of the speed measurements")
    arguments = parser.parse_args()

    keras.utils.set_random_seed(1)
    train = read_notes(ROOT / "data/notes/train.parquet")
    windows, targets = _windows(train[train["piece"].isin(train["piece"].unique()[:PIECES])])
    model = _model()
    trained, epochs = _train(model, windows, targets, arguments.minutes * 60)
    pieces = _play(model, windows[:: len(windows) // arguments.samples][: arguments.samples], NOTES)
    ours = bilstm.load(ROOT / "models/bilstm.keras")
    result = {
        "made_on": runtime.environment(),
        "trained": {"minutes": arguments.minutes, "epochs": round(epochs, 2), "targets_per_second": round(trained)},
        "notes_per_second": _speed(model, windows[0], ours, arguments.repeats),
        "played": _compare(pieces),
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


def _windows(notes: pd.DataFrame) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    parts, targets = [], []
    for _, piece in notes.groupby("piece"):
        rows = piece[["pitch", "step", "duration"]].to_numpy(np.float32)
        stretches = np.lib.stride_tricks.sliding_window_view(rows, WINDOW + 1, axis=0).transpose(0, 2, 1)
        parts.append(stretches[:, :WINDOW] / [PITCHES, 1, 1])
        targets.append(stretches[:, WINDOW])
    wanted = np.concatenate(targets)
    return np.concatenate(parts).astype(np.float32), {
        "pitch": wanted[:, 0].astype(np.int32),
        "step": wanted[:, 1:2],
        "duration": wanted[:, 2:3],
    }


def _positive(true, found):
    # Squared error, and ten times as much as it is below nought.
    return ops.mean((true - found) ** 2 + 10 * ops.maximum(-found, 0.0))


def _model() -> keras.Model:
    inputs = keras.Input((WINDOW, 3))
    read = layers.Bidirectional(layers.LSTM(128))(inputs)
    outputs = {
        name: layers.Dense(width, name=name)(read) for name, width in (("pitch", PITCHES), ("step", 1), ("duration", 1))
    }
    model = keras.Model(inputs, outputs)
    model.compile(
        keras.optimizers.Adam(0.005),
        loss={
            "pitch": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            "step": _positive,
            "duration": _positive,
        },
        loss_weights={"pitch": 0.05, "step": 1.0, "duration": 1.0},
    )
    return model


class _Clock(keras.callbacks.Callback):
    # Stops after so many seconds, counted from the end of the first update, which compiles.
    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds, self.batches, self.begun, self.ended = seconds, -1, 0.0, 0.0

    def on_train_batch_end(self, batch, logs=None) -> None:
        self.batches, self.ended = self.batches + 1, time.perf_counter()
        if not self.batches:
            self.begun = self.ended
        elif self.ended - self.begun > self.seconds:
            self.model.stop_training = True


def _train(model: keras.Model, windows: np.ndarray, targets: dict, seconds: float) -> tuple[float, float]:
    clock = _Clock(seconds)
    model.fit(windows, targets, batch_size=64, epochs=50, verbose=0, callbacks=[clock])
    return 64 * clock.batches / (clock.ended - clock.begun), 64 * clock.batches / len(windows)


def _play(model: keras.Model, windows: np.ndarray, notes: int) -> list[pd.DataFrame]:
    random, window, played = np.random.default_rng(1), np.array(windows), []
    for _ in range(notes):
        found = model.predict(window, verbose=0)
        logits = found["pitch"] / TEMPERATURE + random.gumbel(size=found["pitch"].shape)
        note = np.stack(
            [logits.argmax(axis=1), np.maximum(found["step"][:, 0], 0), np.maximum(found["duration"][:, 0], 0)], axis=1
        )
        played.append(note)
        window = np.concatenate([window[:, 1:], (note / [PITCHES, 1, 1])[:, None]], axis=1).astype(np.float32)
    return [_table(notes) for notes in np.stack(played, axis=1)]


def _table(rows: np.ndarray) -> pd.DataFrame:
    pitch, step, duration = rows.T
    table = pd.DataFrame({"start": np.cumsum(step), "duration": duration, "sustained": duration})
    return arrange(table.assign(pitch=np.clip(pitch, 21, 108).astype(np.uint8), velocity=np.uint8(LOUDNESS)))


def _speed(model: keras.Model, window: np.ndarray, ours: bilstm.BiLSTM, repeats: int) -> dict[str, float]:
    # Notes a second. Of ours a short piece is taken off a long one's time, and with it loading and compiling.
    def notebook() -> float:
        begin = time.perf_counter()
        _play(model, window[None], 60)
        return 60 / (time.perf_counter() - begin)

    def streams(count: int) -> float:
        taken = []
        for chunks in (1, 17):
            begin = time.perf_counter()
            sampling.continuations(ours, [np.zeros((0, 4), np.int32)] * count, chunks * sampling.CHUNK, seed=1)
            taken.append(time.perf_counter() - begin)
        return count * 16 * sampling.CHUNK / (taken[1] - taken[0])

    turns = [(notebook(), streams(1), streams(8)) for _ in range(repeats)]
    return {
        name: round(medians.median(speeds), 1)
        for name, speeds in zip(("notebook", "1 stream", "8 streams"), zip(*turns, strict=True), strict=True)
    }


def _compare(pieces: list[pd.DataFrame]) -> dict:
    played = statistics.describe(pd.concat([piece.assign(piece=np.int32(at)) for at, piece in enumerate(pieces)]))
    test, validation = (
        statistics.describe(read_notes(ROOT / f"data/notes/{split}.parquet")) for split in ("test", "validation")
    )
    excerpts = similarity.cut(played, NOTES)
    overlap = similarity.overlaps(
        excerpts, similarity.cut(validation, NOTES), similarity.cut(test, NOTES, similarity.REFERENCE)
    )
    habits = similarity.habits(excerpts, similarity.cut(test, NOTES), [])
    return {
        "excerpt_notes": NOTES,
        "overlapped_area": {name: round(values["generated"], 4) for name, values in overlap["overlapped_area"].items()},
        "histogram_overlap": round(overlap["histogram_overlap"]["mean"]["generated"], 4),
        "notes_with_step_0": round(float(np.mean([(piece["step"] < 0.01).mean() for piece in pieces])), 4),
        "struck_together": round(habits["struck_together"]["generated"], 4),
        "longest_repeat": habits["longest_repeat"]["generated"],
    }


if __name__ == "__main__":
    main()
