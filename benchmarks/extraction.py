"""The extract stage against other ways of reading the same MIDI files: whole processes, in turn.

    python -m benchmarks.extraction [--raw FOLDER] [--repeats 3]

Reads the data set in FOLDER, or else that in data/raw if there is one, or else the études. Prints, and writes to
benchmarks/results/extraction.json: seconds and notes a second of the stage and of each way in benchmarks/readers.py,
from the start of the process to its end. What builds on mido takes a sixth of a second for a file of MAESTRO, so those
ways read SAMPLE files, evenly spread, and are compared by notes a second.

Then how the stage's time and peak memory, its workers included, grow with the number of files, which are the same ones
under other names.
"""

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import psutil

from benchmarks import measuring
from stages.datasets import splits

ALL = ("symusic", "symusic_to_parquet")
SAMPLED = ("pretty_midi", "pretty_midi_side_by_side", "miditoolkit", "miditok")
SAMPLE = 64
GROWTH = (10, 100, 1_000, 10_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", type=Path, help="folder of an unpacked data set")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        raw = (arguments.raw or measuring.ROOT / "data/raw").resolve()
        if not arguments.raw and not raw.is_dir():
            raw = Path(folder, "etudes")
            zipfile.ZipFile(measuring.ROOT / "data/etudes/etudes.zip").extractall(raw)
        files = [raw / piece.file for piece in splits.list_pieces(raw, 0.1, 0.1)]
        sample = files[:: max(1, len(files) // SAMPLE)][:SAMPLE]
        place = Path(folder, "all")
        Path(place, "data").mkdir(parents=True)
        Path(place, "data/raw").symlink_to(raw)
        found: dict[str, int] = {}

        def stage() -> float:
            taken, found["stage"], _ = _stage(place)
            return taken

        def reader(name: str, files: list[Path]) -> float:
            taken, found[name] = _reader(name, files)
            return taken

        ways = {"stage": stage}
        ways |= {name: lambda name=name: reader(name, files) for name in ALL}
        ways |= {name: lambda name=name: reader(name, sample) for name in SAMPLED}
        taken = measuring.in_turn(ways, arguments.repeats)
        growth = {count: _grown(Path(folder, str(count)), files, count) for count in GROWTH}

    rates = {name: [found[name] / value for value in values] for name, values in taken.items() if name != "miditok"}
    # It finds tokens, so its notes are those that the parser of the same files found.
    rates["miditok"] = [found["pretty_midi"] / value for value in taken["miditok"]]
    result = {
        "files": len(files),
        "sampled_files": len(sample),
        "ways": {
            name: {
                "files": len(sample if name in SAMPLED else files),
                "notes": found["pretty_midi" if name == "miditok" else name],
                "seconds": measuring.spread(values),
                "notes_per_second": measuring.spread(rates[name]),
                "stage_is_times_faster": measuring.ratio(rates["stage"], rates[name]),
            }
            for name, values in taken.items()
        },
        "growth": growth,
    }
    packages = ("symusic", "pretty_midi", "miditok", "miditoolkit", "mido", "pyarrow", "loky")
    measuring.write("extraction", result, *packages)


def _reader(name: str, files: list[Path]) -> tuple[float, int]:
    lines, begin = "".join(f"{file}\n" for file in files), time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.readers", name]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=True, cwd=measuring.ROOT)
    return time.perf_counter() - begin, int(done.stdout)


def _grown(place: Path, files: list[Path], count: int) -> dict[str, float]:
    Path(place, "data/raw").mkdir(parents=True)
    for number, file in enumerate(itertools.islice(itertools.cycle(files), count)):
        _same(file, place / f"data/raw/{number}.mid")
    taken, notes, peak = _stage(place, watch=True)
    shutil.rmtree(place)
    return {"seconds": measuring.short(taken), "notes": notes, "peak_mb": round(peak / 1e6)}


def _same(file: Path, name: Path) -> None:
    try:
        os.link(file, name)
    except OSError:  # on another disk
        shutil.copy(file, name)


def _stage(place: Path, watch: bool = False) -> tuple[float, int, int]:
    # Seconds, notes, and the most bytes that the stage and its workers held at one moment: 0 unless watched, which
    # takes time from them.
    shutil.copy(measuring.ROOT / "params.yaml", place)
    environment = os.environ | {"PYTHONPATH": str(measuring.ROOT)}
    with Path(place, "said").open("w") as said:
        begin, peak = time.perf_counter(), 0
        stage = psutil.Popen([sys.executable, "-m", "stages.extract"], cwd=place, env=environment, stderr=said)
        while watch and stage.poll() is None:
            peak = max(peak, sum(map(_memory, [stage, *_children(stage)])))
            time.sleep(0.02)
        stage.wait()
        taken = time.perf_counter() - begin
    if stage.returncode:
        sys.exit(f"stages.extract failed:\n{Path(place, 'said').read_text()}")
    report = json.loads(Path(place, "reports/corpus.json").read_text(encoding="utf-8"))
    return taken, sum(report[split]["notes"] for split in splits.SPLITS), peak


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _memory(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0


if __name__ == "__main__":
    main()
