"""Reading of many MIDI files in parallel."""

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np

from stages.utils import process_pool
from stages.utils.errors import InputError

FILES_PER_TASK = 16
"""Files that a worker reads at a time: some 10 ms of work, and some MB of notes to send back."""

COLUMN_TYPES = {
    "start": np.float64,
    "step": np.float32,
    "key_duration": np.float32,
    "sounding_duration": np.float32,
    "pitch": np.uint8,
    "velocity": np.uint8,
}
"""Types of the note table, in which workers send notes back: half the bytes of what the reader returns."""

ReadResult = dict[str, np.ndarray] | str
"""The columns of one file, or the reason why it cannot be used."""


def read_midi_files(paths: Sequence[Path]) -> Generator[ReadResult, None, None]:
    """Read MIDI files in one process per CPU, or as many as LOKY_MAX_CPU_COUNT says.

    Close the generator to leave it early: this ends the processes.

    Args:
        paths: the files.

    Yields:
        For each path, in the order given, the columns of the note table without `piece`, or, if the file cannot be
        used, the reason in one line.

    Raises:
        OSError: a file cannot be opened.
        InputError: a process was killed from outside.
    """
    batches = [paths[first : first + FILES_PER_TASK] for first in range(0, len(paths), FILES_PER_TASK)]
    pool = process_pool.process_pool(process_pool.cpu_count())
    pending = deque(pool.submit(read_batch, batch) for batch in batches)
    try:
        while pending:
            yield from pending.popleft().result()
    except BrokenProcessPool:
        raise InputError(
            "a process that reads MIDI files was killed, as happens when memory runs out; set LOKY_MAX_CPU_COUNT to"
            " have fewer of them"
        ) from None
    finally:
        for batch in pending:
            batch.cancel()
        # Idle workers are killed, which is fastest; loky would warn if busy ones were.
        pool.shutdown(kill_workers=not pending)


def read_batch(paths: Sequence[Path]) -> list[ReadResult]:
    """Read MIDI files in this process; see `read_midi_files`."""
    # Imported here because the parent process does not need the reader.
    from stages.midi import riff
    from stages.midi.midi_file import MAX_BYTES
    from stages.midi.midi_io import read_columns
    from stages.midi.tempo_map import MidiError

    results: list[ReadResult] = []
    for path in paths:
        try:
            with path.open("rb") as file:
                columns = read_columns(riff.unwrap(file.read(MAX_BYTES + 1)))
        except MidiError as error:
            results.append(str(error))
        else:
            results.append({name: values.astype(COLUMN_TYPES[name], copy=False) for name, values in columns.items()})
    return results
