"""Reading of many MIDI files in parallel, in processes that a malformed file may crash."""

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from pathlib import Path

import numpy as np

from stages.utils import process_pool

FILES_PER_TASK = 16
"""Files that a worker reads at a time: some 10 ms of work, and some MB of notes to send back."""

CRASH_REASON = "crashes the MIDI reader"

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

    A file that crashes the native reader costs some seconds; the other files are read all the same. Close the generator
    to leave it early: this ends the processes.

    Args:
        paths: the files.

    Yields:
        For each path, in the order given, the columns of the note table without `piece`, or, if the file cannot be
        used, the reason in one line.

    Raises:
        OSError: a file cannot be opened.
    """
    batches = [paths[first : first + FILES_PER_TASK] for first in range(0, len(paths), FILES_PER_TASK)]
    done = 0
    while done < len(batches):
        with closing(_read_until_crash(batches[done:])) as batch_results:
            for results in batch_results:
                done += 1
                yield from results
        if done < len(batches):
            # One of the batches in progress crashed its worker, but it is unknown which. Reading the next batch in
            # isolation, and the rest in a new pool, gets past it sooner or later.
            yield from _read_isolated(batches[done])
            done += 1


def read_batch(paths: Sequence[Path]) -> list[ReadResult]:
    """Read MIDI files in this process; see `read_midi_files`."""
    # Imported here because the parent process does not need the native reader.
    from stages.midi import riff
    from stages.midi.midi_io import read_columns
    from stages.midi.tempo_map import MidiError

    results: list[ReadResult] = []
    for path in paths:
        try:
            columns = read_columns(riff.unwrap(path.read_bytes()))
        except MidiError as error:
            results.append(str(error))
        else:
            results.append({name: values.astype(COLUMN_TYPES[name], copy=False) for name, values in columns.items()})
    return results


def _read_until_crash(batches: Sequence[Sequence[Path]]) -> Generator[list[ReadResult], None, None]:
    """Yield the results of each batch in order, read by a pool of workers; stop when a worker crashes."""
    pool = process_pool.process_pool(process_pool.cpu_count())
    pending = deque(pool.submit(read_batch, batch) for batch in batches)
    try:
        while pending:
            yield pending.popleft().result()
    except BrokenProcessPool:
        return
    finally:
        for batch in pending:
            batch.cancel()
        # Idle workers are killed, which is fastest; loky would warn if busy ones were.
        pool.shutdown(kill_workers=not pending)


def _read_isolated(paths: Sequence[Path]) -> list[ReadResult]:
    """Read a batch in a process of its own; if that crashes, bisect the batch to find the files that cause it."""
    pool = process_pool.process_pool(1)
    try:
        return pool.submit(read_batch, paths).result()
    except BrokenProcessPool:
        if len(paths) == 1:
            return [CRASH_REASON]
    finally:
        pool.shutdown(kill_workers=True)
    half = len(paths) // 2
    return _read_isolated(paths[:half]) + _read_isolated(paths[half:])
