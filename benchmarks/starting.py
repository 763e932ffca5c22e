"""The steps of `python compose.py improvise`, one by one in a fresh process.

    python -m benchmarks.starting models/bilstm.keras 30

For so many seconds of music; prints the seconds that each step takes, and the notes played, as JSON.
"""

import json
import math
import sys
import time
from pathlib import Path


def main() -> None:
    begin = time.perf_counter()
    import compose  # noqa: F401 - what it imports is what counts
    from stages.generation import sampler
    from stages.model import serialization

    imported = time.perf_counter()
    network = serialization.load_model(Path(sys.argv[1]))
    loaded = time.perf_counter()

    import numpy as np

    from stages.representation.grid_encoding import FRAME_SECONDS

    cells, nothing = round(float(sys.argv[2]) / FRAME_SECONDS), [np.zeros((0, 4), np.int32)]

    def play(chunks: int, cells: int | None = None) -> tuple[float, int]:
        begin = time.perf_counter()
        (fields,) = sampler.generate_continuations(network, nothing, chunks * sampler.NOTES_PER_CALL, 1, cells=cells)
        return time.perf_counter() - begin, len(fields)

    played, notes = play(1000, cells)
    # Every call compiles; what a longer one takes more is the playing.
    (short, _), (long, _) = play(1), play(17)
    sampled = (long - short) / 16 * math.ceil(notes / sampler.NOTES_PER_CALL)
    steps = {
        "imports": imported - begin,
        "loading": loaded - imported,
        "compiling": played - sampled,
        "sampling": sampled,
    }
    print(json.dumps({"seconds": steps, "notes": notes}))


if __name__ == "__main__":
    main()
