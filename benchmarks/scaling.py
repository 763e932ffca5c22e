"""Measure how the time and the memory of the extract stage grow with the number of files, and the same on Dask.

    python -m benchmarks.scaling [--raw FOLDER]

Makes 100,000 MIDI files of NOTES notes: excerpts of the data set in FOLDER, or else in data/raw if it exists, or else
of the étude corpus, each transposed, stretched in time and with other velocities; one in a hundred is cut off in the
middle. Runs the stage on the first 25,000, the first 50,000 and all of them. The peak memory is that of the stage and
its workers together; with so many notes the note table for training is a folder of several files.

Then runs the stage on the first 25,000 files once more, by a Dask scheduler and two workers on this machine, and
compares all of its outputs. The peak memory and the processor time are those of the stage alone, without the workers.

Prints the result and writes it to benchmarks/results/scaling.json.
"""

import argparse
import hashlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from benchmarks.extraction import find_raw, run_stage
from benchmarks.measurement import ROOT, round_value, write_result
from stages.datasets.splits import list_pieces
from stages.midi.midi_io import read_columns
from stages.representation.parquet_io import table_files

NOTES = 1_000
FILES = (25_000, 50_000, 100_000)
DASK_FILES = FILES[0]
DASK_WORKERS = 2
FILES_PER_FOLDER = 1_000
DAMAGED = 100
"""One file of so many is cut off."""

SOURCE_FILES = 200
TICKS_PER_SECOND = 1_000
HEADER = b"MThd" + bytes([0, 0, 0, 6, 0, 0, 0, 1]) + (TICKS_PER_SECOND // 2).to_bytes(2, "big")  # 120 a minute
PACKAGES = ("pyarrow", "loky", "distributed")


def main() -> None:
    """Take all measurements and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", type=Path, help="folder of an unpacked data set")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder, "workspace")
        sources = _read_excerpts(find_raw(arguments.raw, Path(folder)))
        growth, made = {}, 0
        for count in FILES:
            for number in range(made, count):
                _write_file(workspace, number, sources[number % len(sources)])
            made = count
            growth[count] = _measure(workspace)
            if count == DASK_FILES:
                here = _digests(workspace)
                dask = _measure_dask(workspace)
                assert _digests(workspace) == here, "Dask made other outputs"

    result = {"notes_per_file": NOTES, "growth": growth, "dask": {"files": DASK_FILES, **dask}}
    write_result("scaling", result, *PACKAGES)


def _read_excerpts(raw: Path) -> list[dict[str, np.ndarray]]:
    files = [raw / piece.file for piece in list_pieces(raw, 0.1, 0.1)]
    excerpts = []
    for file in files[:: max(1, len(files) // SOURCE_FILES)]:
        columns = read_columns(file.read_bytes())
        firsts = range(0, max(len(columns["start"]) - NOTES, 0) + 1, NOTES)
        excerpts += [{name: values[first : first + NOTES] for name, values in columns.items()} for first in firsts]
    return excerpts


def _write_file(workspace: Path, number: int, notes: dict[str, np.ndarray]) -> None:
    random = np.random.default_rng(number)
    stretch = random.uniform(0.9, 1.1) * TICKS_PER_SECOND
    onset = np.rint((notes["start"] - notes["start"][0]) * stretch).astype(np.int64)
    offset = onset + np.maximum(np.rint(notes["key_duration"] * stretch), 1).astype(np.int64)
    key = np.clip(notes["pitch"].astype(int) + random.integers(-5, 7), 21, 108)
    velocity = np.clip(notes["velocity"] + random.integers(-8, 9, len(key)), 1, 127)
    ticks = np.concatenate([onset, offset])
    order = np.argsort(ticks, kind="stable")
    delta = np.minimum(np.diff(ticks[order], prepend=0), (1 << 14) - 1)
    status = np.repeat([0x90, 0x80], len(key))[order]
    columns = [delta >> 7 | 0x80, delta & 0x7F, status, np.tile(key, 2)[order], np.tile(velocity, 2)[order]]
    events = np.stack(columns, axis=1).astype(np.uint8).tobytes() + bytes([0, 0xFF, 0x2F, 0])
    content = HEADER + b"MTrk" + len(events).to_bytes(4, "big") + events
    path = workspace / f"data/raw/{number // FILES_PER_FOLDER:03}/{number:06}.mid"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content[: len(content) // 2] if number % DAMAGED == 0 else content)


def _measure(workspace: Path, **environment: str) -> dict[str, float]:
    measurement = run_stage(workspace, watch_every=0.1, **environment)
    return {
        "seconds": round_value(measurement.seconds),
        "cpu_seconds": round_value(measurement.cpu_seconds),
        "notes": measurement.notes,
        "peak_mb": round(measurement.peak_bytes / 1e6),
        "training_files": len(table_files(workspace / "data/notes/train.parquet")),
    }


def _measure_dask(workspace: Path) -> dict[str, float]:
    with ExitStack() as cluster:
        address = cluster.enter_context(_scheduler())
        for _ in range(DASK_WORKERS):
            options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1"]
            cluster.enter_context(_following(["worker", address, *options], "Registered to"))
        return {"workers": DASK_WORKERS, **_measure(workspace, DASK_SCHEDULER_ADDRESS=address)}


@contextmanager
def _scheduler() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    with _following(command, "Scheduler at"):
        yield f"tcp://127.0.0.1:{port}"


@contextmanager
def _following(arguments: list[str], sign: str) -> Iterator[None]:
    # Runs a part of Dask from when it says that it is ready.
    process = subprocess.Popen([sys.executable, "-m", "dask", *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        if not any(sign in line for line in process.stderr or ()):
            sys.exit(f"dask {arguments[0]} did not start")
        yield
    finally:
        process.terminate()
        process.communicate()


def _digests(workspace: Path) -> dict[str, str]:
    folders = (workspace / "data/notes", workspace / "reports")
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return {os.fspath(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


if __name__ == "__main__":
    main()
