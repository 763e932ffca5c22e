"""Made-up notes: on the grid, and as note tables."""

import numpy as np
import pandas as pd

from stages.representation.grid_encoding import PITCH, STEP


def random_fields(seed: int, notes: int) -> np.ndarray:
    """Return random notes in a valid order: with the same onset, by rising pitch."""
    random = np.random.default_rng(seed)
    onset = np.cumsum(np.where(random.random(notes) < 0.4, 0, random.integers(0, 60, notes)))
    pitch = random.integers(10, 70, notes)
    order = np.lexsort((pitch, onset))
    onset, pitch = onset[order], pitch[order]
    # Half of the notes end together with the previous one, so that pointers have something to point at.
    duration = random.integers(1, 200, notes)
    for i in range(1, notes):
        if random.random() < 0.5:
            duration[i] = max(1, onset[i - 1] + duration[i - 1] - onset[i])
    step = np.diff(onset, prepend=onset[:1])
    return np.stack([step, pitch, duration, random.integers(0, 32, notes)], axis=1).astype(np.int32)


def few_keys_fields(seed: int, notes: int) -> np.ndarray:
    """Return random notes on few keys, with pauses, so that keys are played again after all lengths of time."""
    fields = random_fields(seed, notes)
    random = np.random.default_rng(seed)
    fields[:, PITCH] = random.choice([0, 3, 40, 87], notes)
    fields[random.random(notes) < 0.05, STEP] = 1000
    return fields


def note_table(rows: list[tuple]) -> pd.DataFrame:
    """Return a note table from tuples (piece, start, sounding_duration, pitch, velocity) in any order."""
    frame = pd.DataFrame(rows, columns=["piece", "start", "sounding_duration", "pitch", "velocity"])
    frame = frame.astype(
        {"piece": "int32", "start": "float64", "sounding_duration": "float32", "pitch": "uint8", "velocity": "uint8"}
    )
    frame = frame.sort_values(["piece", "start", "pitch"], ignore_index=True)
    step = frame.groupby("piece")["start"].diff().fillna(0).astype("float32")
    return frame.assign(key_duration=frame["sounding_duration"], step=step)


def random_columns(seed: int, notes: int) -> dict[str, np.ndarray]:
    """Return the columns of a note table of one piece, but for `piece`.

    Args:
        seed: equal seeds give equal notes.
        notes: how many.
    """
    random = np.random.default_rng(seed)
    start = np.cumsum(random.uniform(0.01, 0.5, notes))
    duration = random.uniform(0.1, 2, notes).astype(np.float32)
    return {
        "start": start,
        "step": np.diff(start, prepend=start[:1]).astype(np.float32),
        "key_duration": duration,
        "sounding_duration": duration,
        "pitch": random.integers(21, 109, notes).astype(np.uint8),
        "velocity": random.integers(1, 128, notes).astype(np.uint8),
    }
