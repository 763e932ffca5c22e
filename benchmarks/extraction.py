"""The extract stage against a pretty_midi loop in one process: whole processes, over the same files, in turn.

    python -m benchmarks.extraction [--raw data/raw] [--files 200] [--repeats 3]

Prints the median wall time of each (with the fastest and the slowest), their ratio, the notes each found, and the
most memory that the stage and its workers held at one moment. Without --files every file counts; over MAESTRO the
loop then takes some minutes a time.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import psutil

from stages.music import corpus

ROOT = Path(__file__).resolve().parents[1]
LOOP = """
import sys, warnings, pretty_midi
warnings.simplefilter("ignore")
files = (pretty_midi.PrettyMIDI(line.rstrip("\\n")) for line in sys.stdin)
print(sum(len(part.notes) for file in files for part in file.instruments if not part.is_drum))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", type=Path, default=ROOT / "data/raw", help="folder of the unpacked data set")
    parser.add_argument("--files", type=int, help="so many of them, spread evenly")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()

    print(f"{_processor()}, {psutil.cpu_count()} cores, Python {platform.python_version()}, ", end="")
    print(", ".join(f"{name} {version(name)}" for name in ("symusic", "pretty_midi", "numpy", "pyarrow", "joblib")))
    with tempfile.TemporaryDirectory() as folder:
        files = _prepare(Path(folder), arguments.raw.resolve(), arguments.files)
        loops, stages = [], []
        for _ in range(arguments.repeats):
            loops.append(_loop(files))
            stages.append(_stage(Path(folder)))
        report = json.loads(Path(folder, "reports/corpus.json").read_text(encoding="utf-8"))
    print(f"{len(files)} files, {arguments.repeats} times each, in turn")
    print(f"pretty_midi loop   {_spread([seconds for seconds, _ in loops])}   {loops[0][1]:,} notes")
    notes = sum(report[split]["notes"] for split in corpus.SPLITS)
    peak = max(peak for _, peak in stages)
    print(f"stages.extract     {_spread([seconds for seconds, _ in stages])}   {notes:,} notes   {peak / 1e6:.0f} MB")
    ratio = statistics.median(seconds for seconds, _ in loops) / statistics.median(seconds for seconds, _ in stages)
    print(f"ratio              {ratio:.1f}")


def _prepare(folder: Path, raw: Path, count: int | None) -> list[Path]:
    """Make `folder` a place to run the stage in; returns the MIDI files it will read."""
    shutil.copy(ROOT / "params.yaml", folder)
    files = [raw / piece.file for piece in corpus.pieces(raw, 0.1, 0.1)]
    Path(folder, "data").mkdir()
    if count is None:
        Path(folder, "data/raw").symlink_to(raw)
        return files
    files = files[:: max(1, len(files) // count)][:count]
    Path(folder, "data/raw").mkdir()
    return [Path(shutil.copy(file, folder / "data/raw" / f"{number}.mid")) for number, file in enumerate(files)]


def _loop(files: list[Path]) -> tuple[float, int]:
    begin = time.perf_counter()
    lines = "".join(f"{file}\n" for file in files)
    done = subprocess.run([sys.executable, "-c", LOOP], input=lines, capture_output=True, text=True, check=True)
    return time.perf_counter() - begin, int(done.stdout)


def _stage(folder: Path) -> tuple[float, int]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    begin, peak = time.perf_counter(), 0
    stage = psutil.Popen(
        [sys.executable, "-m", "stages.extract"], cwd=folder, env=environment, stderr=subprocess.DEVNULL
    )
    while stage.poll() is None:
        peak = max(peak, sum(map(_memory, [stage, *_children(stage)])))
        time.sleep(0.02)
    if stage.returncode:
        sys.exit("stages.extract failed")
    return time.perf_counter() - begin, peak


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


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _spread(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):8.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"


if __name__ == "__main__":
    main()
