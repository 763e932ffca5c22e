"""Reading of many MIDI files in parallel."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import chain, islice
from pathlib import Path

import numpy as np

from stages.midi import riff
from stages.midi.midi_file import MAX_BYTES
from stages.midi.midi_io import read_columns
from stages.midi.tempo_map import MidiError
from stages.utils import process_pool
from stages.utils.dask_cluster import dask_cluster, scheduler_address
from stages.utils.ordered_map import map_in_order

FILES_PER_TASK = 16
"""Number of files that a worker reads at a time: some 10 ms of work, and some MB of notes to send back."""

TASKS_PER_WORKER = 8
"""Number of tasks under way for each worker, done or not: enough that none waits while a row group is written, some
10 MB of notes each."""

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


def read_midi_files(paths: Iterable[Path]) -> Generator[ReadResult, None, None]:
    """Read MIDI files in one process per CPU, or as many as LOKY_MAX_CPU_COUNT says.

    Where DASK_SCHEDULER_ADDRESS is set, the workers of that Dask cluster read them instead. They get the bytes of the
    files, so they need not see the paths.

    Close the generator to leave it early: this ends the processes, or leaves the cluster without tasks.

    Args:
        paths: the files; taken as they are read, so they may be many.

    Yields:
        For each path, in the order given, the columns of the note table without `piece`, or, if the file cannot be
        used, the reason in one line.

    Raises:
        OSError: a file cannot be opened.
        InputError: a process was killed from outside; or see `dask_cluster`.
    """
    address = scheduler_address()
    batches = _batches(paths)
    yield from _read_on_cluster(batches, address) if address else _read_here(batches)


def _batches(paths: Iterable[Path]) -> Iterator[list[Path]]:
    rest = iter(paths)
    return iter(lambda: list(islice(rest, FILES_PER_TASK)), [])


def _read_here(batches: Iterator[list[Path]]) -> Generator[ReadResult, None, None]:
    workers = process_pool.cpu_count()
    pool = process_pool.process_pool(workers)
    submit = partial(pool.submit, read_batch)
    finished = False
    in_order = map_in_order(submit, batches, lambda: TASKS_PER_WORKER * workers)
    try:
        with process_pool.naming_killed_workers(), closing(in_order) as results:
            yield from chain.from_iterable(results)
        finished = True
    finally:
        # Idle workers are killed, which is fastest; loky would warn if busy ones were.
        pool.shutdown(kill_workers=finished)


def _read_on_cluster(batches: Iterator[list[Path]], address: str) -> Generator[ReadResult, None, None]:
    contents = ([_read_bytes(path) for path in batch] for batch in batches)
    with dask_cluster(address) as cluster:
        submit = partial(cluster.submit, parse_batch)
        with closing(map_in_order(submit, contents, lambda: TASKS_PER_WORKER * cluster.count_threads())) as results:
            yield from chain.from_iterable(results)


def read_batch(paths: Sequence[Path]) -> list[ReadResult]:
    """Read MIDI files in this process; see `read_midi_files`."""
    return [_parse(_read_bytes(path)) for path in paths]


def parse_batch(contents: Sequence[bytes]) -> list[ReadResult]:
    """Read MIDI files in this process, given their bytes; see `read_midi_files`."""
    return [_parse(content) for content in contents]


def _read_bytes(path: Path) -> bytes:
    # One byte more than a file may have tells that it is too long.
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _parse(content: bytes) -> ReadResult:
    try:
        columns = read_columns(riff.unwrap(content))
    except MidiError as error:
        return str(error)
    return {name: values.astype(COLUMN_TYPES[name], copy=False) for name, values in columns.items()}
