"""Many MIDI files at once: in parallel, and apart from the process that wants them."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np

from stages.utils import process_pool

FILES_PER_TASK = 16
"""Files handed to a worker at a time: some ten milliseconds of work, some megabytes of notes."""

CRASH_REASON = "crashes the MIDI reader"

_TYPES = {
    "start": np.float64,
    "step": np.float32,
    "duration": np.float32,
    "sustained": np.float32,
    "pitch": np.uint8,
    "velocity": np.uint8,
}

Result = dict[str, np.ndarray] | str


def read_midi_files(paths: Sequence[Path]) -> Iterator[Result]:
    """Read MIDI files in as many processes as there are processors, or as LOKY_MAX_CPU_COUNT says.

    Yields for each path, in the order given, the columns of the note table without `piece`, or, where the file cannot
    be used, the reason as one line. A file that brings the native reader down is one of these, and costs some seconds.
    Raises OSError if a file cannot be opened. Close the generator if you leave it early: that ends the processes.
    """
    batches = [paths[at : at + FILES_PER_TASK] for at in range(0, len(paths), FILES_PER_TASK)]
    done = 0
    while done < len(batches):
        pool = process_pool.process_pool(process_pool.cpu_count())
        coming = deque(pool.submit(_read, batch) for batch in batches[done:])
        try:
            while coming:
                results = coming.popleft().result()
                done += 1
                yield from results
        except BrokenProcessPool:
            # One of the batches under way crashed, and nothing tells which. Reading the next one with care, and then
            # going on with the pool, gets past it.
            yield from _read_apart(batches[done])
            done += 1
        finally:
            for batch in coming:
                batch.cancel()
            pool.shutdown(kill_workers=not coming)  # at once if they are idle; loky would complain if they are not


def _read(paths: Sequence[Path]) -> list[Result]:
    from stages.midi.midi_io import read_columns  # here, as the parent does without the native reader
    from stages.midi.tempo_map import MidiError

    results: list[Result] = []
    for path in paths:
        try:
            columns = read_columns(path.read_bytes())
        except MidiError as error:
            results.append(str(error))
        else:
            # In the note table's types: that is half the bytes to hand over.
            results.append({name: values.astype(_TYPES[name], copy=False) for name, values in columns.items()})
    return results


def _read_apart(paths: Sequence[Path]) -> list[Result]:
    """Read in a process of their own, halving down to the files that bring it down."""
    pool = process_pool.process_pool(1)
    try:
        return pool.submit(_read, paths).result()
    except BrokenProcessPool:
        if len(paths) == 1:
            return [CRASH_REASON]
    finally:
        pool.shutdown(kill_workers=True)
    half = len(paths) // 2
    return _read_apart(paths[:half]) + _read_apart(paths[half:])
