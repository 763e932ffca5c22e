"""Take measurements in turn, summarise them, and read and write the result files.

A result file benchmarks/results/<part>.json has the key `made_on`, which describes the machine, and the results of one
part of `make bench`.
"""

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


def measure_in_turn(cases: dict[str, Callable[[], Any]], repeats: int) -> dict[str, list[Any]]:
    """Call each of `cases` once per round, so that a busy moment of the machine affects all of them.

    Args:
        cases: functions that take a measurement, by name.
        repeats: number of rounds.

    Returns:
        What each function returned, one value a round.
    """
    rounds = [[measure() for measure in cases.values()] for _ in range(repeats)]
    return {name: list(values) for name, values in zip(cases, zip(*rounds, strict=True), strict=True)}


def elapsed_seconds(function: Callable[[], object]) -> float:
    """Call a function and return how many seconds it took."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def summarize(values: list[float]) -> dict[str, float]:
    """Return the median, the smallest and the largest value, each rounded by `round_value`."""
    statistics_by_name = {"median": statistics.median, "least": min, "most": max}
    return {name: round_value(statistic(values)) for name, statistic in statistics_by_name.items()}


def median_ratio(numerators: list[float], denominators: list[float]) -> float:
    """Return the ratio of two medians, rounded by `round_value`."""
    return round_value(statistics.median(numerators) / statistics.median(denominators))


def round_value(value: float) -> float:
    """Round to three significant digits; values of 100 and more become integers."""
    rounded = float(f"{value:.3g}")
    return int(rounded) if abs(rounded) >= 100 else rounded


def read_result(part: str) -> dict:
    """Return the content of the result file of a part."""
    return json.loads((RESULTS / f"{part}.json").read_text(encoding="utf-8"))


def write_result(part: str, result: dict, *packages: str) -> None:
    """Print the result of a part and write it to its result file.

    Args:
        part: name of the part.
        result: what was measured; `made_on` is added to it.
        packages: libraries whose versions belong in `made_on`.
    """
    # Imported here because it takes seconds, which must not count in what a part measures.
    from stages.training.determinism import describe_environment

    made_on = describe_environment() | {
        "cores": psutil.cpu_count(),
        **{name: version(name) for name in packages},
    }
    text = json.dumps({"made_on": made_on, **result}, indent=2)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{part}.json").write_text(text + "\n", encoding="utf-8")
    print(text)
