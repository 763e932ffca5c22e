"""The committed results of the benchmarks, the table made of them, and how measurements are taken."""

import itertools
import re

import pandas as pd
import pytest

from benchmarks import measurement, scaling_law, table
from tests.helpers.source_analysis import ROOT


def test_the_page_is_made_of_the_results():
    assert table.TABLE.read_text(encoding="utf-8") == table.render()


def test_every_part_has_a_result_and_a_module_and_most_are_run_by_make_bench():
    parts = re.search(r"^PARTS := (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[1].split()
    not_run = {"gpu", "scaling_law"}  # few machines have one; an hour
    assert parts == [part for part in table.PARTS if part not in not_run]
    assert {f"{part}.json" for part in table.PARTS} == {path.name for path in measurement.RESULTS.iterdir()}
    for part in table.PARTS:
        assert (ROOT / f"benchmarks/{part}.py").is_file()
        assert measurement.read_result(part)["made_on"]["cores"] > 0


def test_measurements_are_taken_in_turn():
    calls = []
    cases = {name: lambda name=name: calls.append(name) or len(calls) for name in ("first", "second")}
    assert measurement.measure_in_turn(cases, 2) == {"first": [1, 3], "second": [2, 4]}
    assert calls == ["first", "second"] * 2


@pytest.mark.parametrize("value, rounded", [(23905.0, 23900), (123.4, 123), (12.345, 12.3), (0.012345, 0.0123), (0, 0)])
def test_values_are_rounded_to_three_digits(value, rounded):
    assert measurement.round_value(value) == rounded


def test_summary_and_ratio():
    assert measurement.summarize([3.0, 1.0, 2.0]) == {"median": 2.0, "least": 1.0, "most": 3.0}
    assert measurement.median_ratio([3.0, 1.0, 2.0], [4.0]) == 0.5


def test_the_scaling_law_is_found_again_in_losses_that_follow_it():
    law = {"floor": 8.0, "a": 0.6, "alpha": 0.3, "b": 1.5, "beta": 0.44}
    runs = pd.DataFrame(itertools.product((0.3e6, 1e6, 3.5e6), (2e6, 4e6, 8e6)), columns=["parameters", "notes"])
    runs["total"] = 8.0 + 0.6 * (runs["parameters"] / 1e6) ** -0.3 + 1.5 * (runs["notes"] / 1e6) ** -0.44
    assert scaling_law.fit(runs) == pytest.approx(law, abs=1e-6)
    far = pd.DataFrame({"parameters": [8e6], "notes": [200e6]})
    assert scaling_law.predict(law, far).item() == pytest.approx(8.0 + 0.6 * 8**-0.3 + 1.5 * 200**-0.44)
