"""Time the input of training where it streams from the note table, and where it has all notes in memory.

    python -m benchmarks.input [--notes FILE] [--repeats 3]

Makes note tables of growing size by repeating the one in FILE, or else data/notes/train.parquet, each copy with other
tempo, key and loudness. Then a process of its own makes the training batches of params.yaml, first with the row groups
that `train` keeps, then with all of them; each in turn. Batches must be the same to the byte.

Of the largest table, the columns that the input reads take more than ten times the memory of the row groups that it
keeps. Prints the result and writes it to benchmarks/results/input.json: batches per second of processor time, once
every batch row has its first piece; seconds of processor time until then; and the peak memory of the process, of which
Python and its libraries use a part before anything is read.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.measurement import ROOT, measure_in_turn, median_ratio, summarize, write_result
from stages.representation.note_table import Columns, notes_writer, read_notes, steps_between
from stages.representation.stored_notes import CACHED_ROW_GROUPS

COPIES = (1, 4, 16)
WAYS = {"streamed": CACHED_ROW_GROUPS, "in memory": 1 << 20}  # row groups that are kept
PACKAGES = ("pyarrow", "pandas")


def main() -> None:
    """Take all measurements and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--notes", type=Path, default=ROOT / "data/notes/train.parquet", help="a note table")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()

    tables = {}
    for copies in COPIES:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "notes.parquet")
            num_notes = write_copies(arguments.notes, path, copies)
            cases = {way: partial(_read, path, kept) for way, kept in WAYS.items()}
            tables[num_notes] = _summarize(measure_in_turn(cases, arguments.repeats))
    write_result("input", {"cached_row_groups": CACHED_ROW_GROUPS, "tables": tables}, *PACKAGES)


def write_copies(source: Path, target: Path, copies: int) -> int:
    """Write a note table that holds another one several times, each time varied; return its length in notes."""
    notes = read_notes(source)
    pieces = [piece for _, piece in notes.groupby("piece")]
    with notes_writer(target) as append:
        for copy in range(copies):
            for number, piece in enumerate(pieces, start=copy * len(pieces)):
                append(number, _vary(piece, np.random.default_rng(number)))
    return copies * len(notes)


def _vary(piece: Columns, random: np.random.Generator) -> dict[str, np.ndarray]:
    columns = {name: np.asarray(piece[name]) for name in piece if name != "piece"}
    stretch, keys, louder = random.uniform(0.8, 1.25), random.integers(-3, 4), random.integers(-9, 10)
    start = columns["start"] * stretch
    return columns | {
        "start": start,
        "step": steps_between(np.zeros(len(start), np.int32), start),
        "key_duration": columns["key_duration"] * np.float32(stretch),
        "sounding_duration": columns["sounding_duration"] * np.float32(stretch),
        "pitch": np.clip(columns["pitch"].astype(int) + keys, 0, 127).astype(np.uint8),
        "velocity": np.clip(columns["velocity"].astype(int) + louder, 1, 127).astype(np.uint8),
    }


def _read(table: Path, cached_row_groups: int) -> dict:
    command = [sys.executable, "-m", "benchmarks.input_reader", str(table), str(cached_row_groups)]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)


def _summarize(measurements: dict[str, list[dict]]) -> dict[str, dict]:
    hashes = {measurement["sha256"] for values in measurements.values() for measurement in values}
    if len(hashes) != 1:
        sys.exit("the batches differ")
    result = {
        way: {name: summarize([value[name] for value in values]) for name in values[0] if name != "sha256"}
        for way, values in measurements.items()
    }
    rates = {way: [value["batches_per_second"] for value in values] for way, values in measurements.items()}
    result["streamed"]["times_as_fast_as_in_memory"] = median_ratio(rates["streamed"], rates["in memory"])
    return result


if __name__ == "__main__":
    main()
