"""Made-up columns of a note table."""

import numpy as np


def random_columns(seed: int, notes: int) -> dict[str, np.ndarray]:
    """Return the columns of one piece, but for `piece`.

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
