"""What the parts share: figures taken in turn, their median and spread, the machine, and where results go."""

import json
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks/results"


def in_turn(ways: dict[str, Callable[[], Any]], repeats: int) -> dict[str, list[Any]]:
    """What each of `ways` gives, `repeats` times, one after the other, so that a busy moment meets all of them."""
    turns = [[way() for way in ways.values()] for _ in range(repeats)]
    return {name: list(values) for name, values in zip(ways, zip(*turns, strict=True), strict=True)}


def seconds(work: Callable[[], object]) -> float:
    """How long `work` takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def spread(values: list[float]) -> dict[str, float]:
    """Median, least and most."""
    return {name: short(of(values)) for name, of in (("median", statistics.median), ("least", min), ("most", max))}


def ratio(above: list[float], below: list[float]) -> float:
    """Of two medians."""
    return short(statistics.median(above) / statistics.median(below))


def short(value: float) -> float:
    """Three digits that count, and none after the point where there are three before it."""
    rounded = float(f"{value:.3g}")
    return int(rounded) if abs(rounded) >= 100 else rounded


def read(part: str) -> dict:
    """What `write` kept of a part."""
    return json.loads((RESULTS / f"{part}.json").read_text(encoding="utf-8"))


def write(part: str, result: dict, *packages: str) -> None:
    """Print a part's result with what it was measured on, and keep it in benchmarks/results."""
    from stages.training import determinism  # here, since it takes seconds, which no part is to measure

    about = determinism.describe_environment() | {
        "cores": psutil.cpu_count(),
        **{name: version(name) for name in packages},
    }
    text = json.dumps({"made_on": about, **result}, indent=2)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{part}.json").write_text(text + "\n", encoding="utf-8")
    print(text)
