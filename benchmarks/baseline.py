"""The notebook that this project grew out of, written anew from its description.

A Bidirectional(LSTM(128)) reads windows of 25 notes (pitch, step, duration) and foretells the next one: softmax over
128 pitches, its cross-entropy weighted 0.05, and squared errors of step and duration that punish negative ones tenfold.
Adam at 0.005, batches of 64, 15 pieces. It plays by `model.predict` on the last 25 notes, a note at a time, pitch at
temperature 2, all notes of one loudness.
"""

import time

import keras
import numpy as np
import pandas as pd
from keras import layers, ops

from stages.representation.note_table import sort_notes

WINDOW, PITCHES, PIECES, BATCH, LOUDNESS = 25, 128, 15, 64, 100
TEMPERATURE = 2.0


def windows(notes: pd.DataFrame) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Every window of a note table, shape (windows, WINDOW, 3), and what comes after each."""
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


def model() -> keras.Model:
    """The network, ready to be trained."""
    inputs = keras.Input((WINDOW, 3))
    read = layers.Bidirectional(layers.LSTM(128))(inputs)
    outputs = {
        name: layers.Dense(width, name=name)(read) for name, width in (("pitch", PITCHES), ("step", 1), ("duration", 1))
    }
    made = keras.Model(inputs, outputs)
    made.compile(
        keras.optimizers.Adam(0.005),
        loss={
            "pitch": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            "step": _positive,
            "duration": _positive,
        },
        loss_weights={"pitch": 0.05, "step": 1.0, "duration": 1.0},
    )
    return made


def _positive(true, found):
    # Squared error, and ten times as much as it is below nought.
    return ops.mean((true - found) ** 2 + 10 * ops.maximum(-found, 0.0))


class _Clock(keras.callbacks.Callback):
    # Stops after so many seconds, counted from the end of the first update, which compiles.
    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds, self.updates, self.begun, self.ended = seconds, -1, 0.0, 0.0

    def on_train_batch_end(self, batch, logs=None) -> None:
        self.updates, self.ended = self.updates + 1, time.perf_counter()
        if not self.updates:
            self.begun = self.ended
        elif self.ended - self.begun > self.seconds:
            self.model.stop_training = True


def train(network: keras.Model, inputs: np.ndarray, targets: dict, seconds: float) -> tuple[float, float]:
    """Train for so many seconds; returns targets a second, and passes over them all."""
    clock = _Clock(seconds)
    network.fit(inputs, targets, batch_size=BATCH, epochs=1000, verbose=0, callbacks=[clock])
    return BATCH * clock.updates / (clock.ended - clock.begun), BATCH * clock.updates / len(inputs)


def play(network: keras.Model, inputs: np.ndarray, notes: int) -> list[pd.DataFrame]:
    """Play on from each window: a note table each."""
    random, window, played = np.random.default_rng(1), np.array(inputs), []
    for _ in range(notes):
        found = network.predict(window, verbose=0)
        logits = found["pitch"] / TEMPERATURE + random.gumbel(size=found["pitch"].shape)
        note = np.stack(
            [logits.argmax(axis=1), np.maximum(found["step"][:, 0], 0), np.maximum(found["duration"][:, 0], 0)], axis=1
        )
        played.append(note)
        window = np.concatenate([window[:, 1:], (note / [PITCHES, 1, 1])[:, None]], axis=1).astype(np.float32)
    return [_table(rows) for rows in np.stack(played, axis=1)]


def _table(rows: np.ndarray) -> pd.DataFrame:
    pitch, step, duration = rows.T
    table = pd.DataFrame({"start": np.cumsum(step), "duration": duration, "sustained": duration})
    return sort_notes(table.assign(pitch=np.clip(pitch, 21, 108).astype(np.uint8), velocity=np.uint8(LOUDNESS)))
