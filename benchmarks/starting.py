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
    from stages.network import bilstm, sampling

    imported = time.perf_counter()
    network = bilstm.load(Path(sys.argv[1]))
    loaded = time.perf_counter()

    import numpy as np

    from stages.music.encoding import CELL

    cells, nothing = round(float(sys.argv[2]) / CELL), [np.zeros((0, 4), np.int32)]

    def play(chunks: int, cells: int | None = None) -> tuple[float, int]:
        begin = time.perf_counter()
        (fields,) = sampling.continuations(network, nothing, chunks * sampling.CHUNK, 1, cells=cells)
        return time.perf_counter() - begin, len(fields)

    played, notes = play(1000, cells)
    # Every call compiles; what a longer one takes more is the playing.
    (short, _), (long, _) = play(1), play(17)
    sampled = (long - short) / 16 * math.ceil(notes / sampling.CHUNK)
    steps = {
        "imports": imported - begin,
        "loading": loaded - imported,
        "compiling": played - sampled,
        "sampling": sampled,
    }
    print(json.dumps({"seconds": steps, "notes": notes}))


if __name__ == "__main__":
    main()
