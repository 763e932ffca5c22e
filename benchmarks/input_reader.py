"""Make training batches of a note table, for benchmarks/input.py.

    python -m benchmarks.input_reader data/notes/train.parquet 32

The arguments are the table and the number of its row groups to keep in memory; with all of them, they are read before
the first batch. Prints what was measured as JSON.
"""

import hashlib
import json
import re
import sys
import time
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.measurement import ROOT
from benchmarks.training_batches import batches_of_pieces
from stages.check import Params
from stages.representation.grid_encoding import encode
from stages.representation.stored_notes import CACHED_ROW_GROUPS, StoredNotes
from stages.training.data import TrainingPiece
from stages.utils.yaml_io import read_yaml

BATCHES = 300


def main() -> None:
    """Make batches, and print the measurements and a hash of the batches."""
    path, cached_row_groups = Path(sys.argv[1]), int(sys.argv[2])
    libraries_mb = _peak_mb()
    started = time.process_time()
    stored = StoredNotes(path, cached_row_groups)
    if cached_row_groups > CACHED_ROW_GROUPS:
        for piece in stored.num_notes:
            stored.read(piece)
    pieces = [
        TrainingPiece(length, partial(_encode_piece, stored, piece)) for piece, length in stored.num_notes.items()
    ]
    batches = batches_of_pieces(read_yaml(ROOT / "params.yaml", Params).train, pieces)
    content = hashlib.sha256()
    _add(content, next(batches))
    first = time.process_time()
    for batch in islice(batches, BATCHES):
        _add(content, batch)
    seconds = time.process_time() - first
    print(
        json.dumps(
            {
                "first_batch_seconds": first - started,
                "batches_per_second": BATCHES / seconds,
                "libraries_mb": libraries_mb,
                "peak_mb": _peak_mb(),
                "sha256": content.hexdigest(),
            }
        )
    )


def _encode_piece(stored: StoredNotes, piece: int, time_stretch: float) -> np.ndarray:
    return encode(stored.read(piece), time_stretch)


def _add(content, batch: dict[str, np.ndarray]) -> None:
    for values in batch.values():
        content.update(values)


def _peak_mb() -> float:
    # Not from getrusage, which may give the peak of the process that started this one.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)[1]) * 1024 / 1e6


if __name__ == "__main__":
    main()
