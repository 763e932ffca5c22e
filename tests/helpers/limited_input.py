"""Read a note table for training with little memory, in a process of its own.

python -m tests.helpers.limited_input TABLE ROW_GROUPS MEGABYTES. The second argument is the number of row groups that
are kept, the third the memory beyond what Python and its libraries use; 0 for no limit. Prints a hash of all pieces in
the order of a pass, and of the first batches.
"""

import hashlib
import re
import resource
import sys
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from stages.representation.grid_encoding import encode
from stages.representation.stored_notes import StoredNotes
from stages.training.data import BatchConfig, TrainingPiece, training_batches

CONFIG = BatchConfig(
    seed=1, batch_size=4, seq_len=64, infill_fraction=0.5, max_gap_notes=8, transpose_semitones=3, time_stretch=0.1
)
BATCHES = 20


def main(path: Path, cached_row_groups: int, spare_bytes: int) -> None:
    """Print the hash."""
    stored = StoredNotes(path, cached_row_groups)
    numbers = list(stored.num_notes)
    encode(stored.read(numbers[0]))  # loads what is loaded only once
    if spare_bytes:
        limit = _data_bytes() + spare_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    content = hashlib.sha256()
    for number in np.random.default_rng(1).permutation(numbers):
        content.update(encode(stored.read(number)))
    pieces = [TrainingPiece(stored.num_notes[number], partial(_load, stored, number)) for number in numbers]
    for batch in islice(training_batches(pieces, CONFIG), BATCHES):
        for values in batch.values():
            content.update(values)
    print(content.hexdigest())


def _load(stored: StoredNotes, number: int, time_stretch: float) -> np.ndarray:
    return encode(stored.read(number), time_stretch)


def _data_bytes() -> int:
    # What RLIMIT_DATA limits, in use now.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(re.search(r"^VmData:\s*(\d+) kB$", status, re.MULTILINE)[1])


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) * 1_000_000)
