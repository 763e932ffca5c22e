"""Time the phases of `python compose.py improvise` in a fresh process.

    python -m benchmarks.startup models/bilstm.keras 30

The arguments are the model file and the seconds of music. Prints the seconds of each phase and the number of notes, as
JSON.
"""

import json
import math
import sys
import time
from pathlib import Path


def main() -> None:
    """Go through the phases and print the result."""
    model, seconds_of_music = Path(sys.argv[1]), float(sys.argv[2])
    start = time.perf_counter()
    import compose  # noqa: F401 - to time its imports
    from stages.generation.continuation import ContinuationRequest, generate_continuations
    from stages.generation.sampler import NOTES_PER_CALL
    from stages.model.serialization import load_model

    imported = time.perf_counter()
    network = load_model(model)
    loaded = time.perf_counter()

    import numpy as np

    from stages.representation.grid_encoding import FRAME_SECONDS

    def improvise(calls: int, max_frames: int | None = None) -> tuple[float, int]:
        start = time.perf_counter()
        request = ContinuationRequest([np.zeros((0, 4), np.int32)], calls * NOTES_PER_CALL, max_frames)
        (fields,) = generate_continuations(network, request, seed=1)
        return time.perf_counter() - start, len(fields)

    total, num_notes = improvise(1000, round(seconds_of_music / FRAME_SECONDS))
    # Each improvisation compiles the sampler, so the difference between a long and a short one is sampling alone.
    (short, _), (long, _) = improvise(1), improvise(17)
    sampling = (long - short) / 16 * math.ceil(num_notes / NOTES_PER_CALL)
    phases = {
        "imports": imported - start,
        "loading": loaded - imported,
        "compiling": total - sampling,
        "sampling": sampling,
    }
    print(json.dumps({"seconds": phases, "notes": num_notes}))


if __name__ == "__main__":
    main()
