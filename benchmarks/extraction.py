"""Time the extract stage and other ways of reading the same MIDI files.

    python -m benchmarks.extraction [--raw FOLDER] [--repeats 3]

Reads the data set in FOLDER, or else in data/raw if it exists, or else the étude corpus. Each way is a process, timed
from start to end, in turn with the others: the stage and the readers of benchmarks/midi_readers.py. Readers that build
on mido take a sixth of a second for a file of MAESTRO, so they read only SAMPLE_FILES files, evenly spaced, and are
compared by notes per second.

Then measures how the time of the stage and its peak memory, workers included, grow with the number of files; these are
copies of the same files under other names.

Prints the result and writes it to benchmarks/results/extraction.json.
"""

import argparse
import itertools
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from benchmarks.measurement import (
    ROOT,
    elapsed_seconds,
    measure_in_turn,
    median_ratio,
    round_value,
    summarize,
    write_result,
)
from stages.datasets.splits import list_pieces

ALL_FILES_READERS = ("symusic", "symusic_to_parquet")
SAMPLED_READERS = ("pretty_midi", "pretty_midi_parallel", "miditoolkit", "miditok")
SAMPLE_FILES = 64
GROWTH_FILES = (10, 100, 1_000, 10_000)
PACKAGES = ("symusic", "pretty_midi", "miditok", "miditoolkit", "mido", "pyarrow", "loky")


@dataclass(frozen=True)
class Measurement:
    """One timed process."""

    seconds: float
    notes: int  # tokens of miditok
    peak_bytes: int = 0  # largest memory of the process and its workers; 0 if not watched
    cpu_seconds: float = 0.0  # processor time of the process and its workers; 0 if not measured


def main() -> None:
    """Take all measurements and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", type=Path, help="folder of an unpacked data set")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        raw = find_raw(arguments.raw, Path(folder))
        files = [raw / piece.file for piece in list_pieces(raw, 0.1, 0.1)]
        sample = files[:: max(1, len(files) // SAMPLE_FILES)][:SAMPLE_FILES]
        workspace = Path(folder, "all")
        Path(workspace, "data").mkdir(parents=True)
        Path(workspace, "data/raw").symlink_to(raw)
        readers = dict.fromkeys(ALL_FILES_READERS, files) | dict.fromkeys(SAMPLED_READERS, sample)
        cases = {"stage": partial(run_stage, workspace)}
        cases |= {name: partial(_run_reader, name, read_files) for name, read_files in readers.items()}
        measurements = measure_in_turn(cases, arguments.repeats)
        growth = {count: _measure_growth(Path(folder, str(count)), files, count) for count in GROWTH_FILES}

    result = {
        "files": len(files),
        "sampled_files": len(sample),
        "ways": _compare(measurements, {"stage": len(files)} | {name: len(read) for name, read in readers.items()}),
        "growth": growth,
    }
    write_result("extraction", result, *PACKAGES)


def find_raw(chosen: Path | None, folder: Path) -> Path:
    """Return the folder of the data set to read, see the module's docstring.

    Args:
        chosen: what the user asked for.
        folder: where the étude corpus is unpacked if need be.
    """
    raw = (chosen or ROOT / "data/raw").resolve()
    if chosen or raw.is_dir():
        return raw
    etudes = folder / "etudes"
    with zipfile.ZipFile(ROOT / "data/etudes/etudes.zip") as archive:
        archive.extractall(etudes)
    return etudes


def _compare(measurements: dict[str, list[Measurement]], num_files: dict[str, int]) -> dict[str, dict]:
    notes = {name: values[0].notes for name, values in measurements.items()}
    notes["miditok"] = notes["pretty_midi"]  # MidiTok counts tokens; pretty_midi counted the notes of the same files
    seconds = {name: [value.seconds for value in values] for name, values in measurements.items()}
    rates = {name: [notes[name] / value for value in values] for name, values in seconds.items()}
    return {
        name: {
            "files": num_files[name],
            "notes": notes[name],
            "seconds": summarize(seconds[name]),
            "notes_per_second": summarize(rates[name]),
            "stage_is_times_faster": median_ratio(rates["stage"], rates[name]),
        }
        for name in measurements
    }


def _run_reader(name: str, files: list[Path]) -> Measurement:
    counts = []

    def run() -> None:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.midi_readers", name],
            input="".join(f"{file}\n" for file in files),
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        )
        counts.append(int(done.stdout))

    return Measurement(elapsed_seconds(run), counts[0])


def _measure_growth(workspace: Path, files: list[Path], count: int) -> dict[str, float]:
    Path(workspace, "data/raw").mkdir(parents=True)
    for number, file in enumerate(itertools.islice(itertools.cycle(files), count)):
        _link_or_copy(file, workspace / f"data/raw/{number}.mid")
    measurement = run_stage(workspace, watch_every=0.02)
    shutil.rmtree(workspace)
    return {
        "seconds": round_value(measurement.seconds),
        "notes": measurement.notes,
        "peak_mb": round(measurement.peak_bytes / 1e6),
    }


def _link_or_copy(file: Path, target: Path) -> None:
    try:
        os.link(file, target)
    except OSError:  # on another disk
        shutil.copy(file, target)


def run_stage(workspace: Path, watch_every: float | None = None, **environment: str) -> Measurement:
    """Run the extract stage in a folder that has data/raw.

    Args:
        workspace: the folder.
        watch_every: seconds after which to look at the memory again, which takes some processor time; None for never.
        environment: variables to set for it.
    """
    shutil.copy(ROOT / "params.yaml", workspace)
    log = Path(workspace, "log")
    with log.open("w") as stderr:
        start, cpu_start, peak = time.perf_counter(), _cpu_seconds(), 0
        stage = psutil.Popen(
            [sys.executable, str(ROOT / "stages"), "extract"],
            cwd=workspace,
            stderr=stderr,
            env=os.environ | environment,
        )
        while watch_every and stage.poll() is None:
            peak = max(peak, sum(map(_resident_bytes, [stage, *_descendants(stage)])))
            time.sleep(watch_every)
        stage.wait()
        seconds, cpu_seconds = time.perf_counter() - start, _cpu_seconds() - cpu_start
    if stage.returncode:
        sys.exit(f"the extract stage failed:\n{log.read_text()}")
    report = json.loads(Path(workspace, "reports/corpus.json").read_text(encoding="utf-8"))
    return Measurement(seconds, report["notes"], peak, cpu_seconds)


def _cpu_seconds() -> float:
    # Of all processes that have ended and their workers.
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _resident_bytes(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0


if __name__ == "__main__":
    main()
