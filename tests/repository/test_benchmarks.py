"""The committed results of the benchmarks, and the page made of them."""

import re

import pytest

from benchmarks import measuring, table
from tests.helpers.source_analysis import ROOT


def test_the_page_is_what_the_results_give():
    assert table.TABLE.read_text(encoding="utf-8") == table.text()


def test_the_readme_quotes_the_page():
    parts = "|".join(table.PARTS)
    quoted = re.findall(rf"^\| (?:{parts}) \| .*$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(quoted) > 5
    assert set(quoted) <= set(table.text().splitlines())


def test_every_part_has_a_result_and_a_module_and_is_made_by_make_bench():
    parts = re.search(r"^PARTS := (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[1].split()
    assert {f"{part}.json" for part in parts} == {path.name for path in measuring.RESULTS.iterdir()}
    for part in parts:
        assert (ROOT / f"benchmarks/{part}.py").is_file()
        assert measuring.read(part)["made_on"]["cores"] > 0


def test_measurements_are_taken_in_turn():
    asked = []
    ways = {name: lambda name=name: asked.append(name) or len(asked) for name in ("one", "other")}
    assert measuring.in_turn(ways, 2) == {"one": [1, 3], "other": [2, 4]}
    assert asked == ["one", "other"] * 2


@pytest.mark.parametrize("value, rounded", [(23905.0, 23900), (123.4, 123), (12.345, 12.3), (0.012345, 0.0123), (0, 0)])
def test_figures_have_three_digits(value, rounded):
    assert measuring.short(value) == rounded


def test_spread_and_ratio():
    assert measuring.spread([3.0, 1.0, 2.0]) == {"median": 2.0, "least": 1.0, "most": 3.0}
    assert measuring.ratio([3.0, 1.0, 2.0], [4.0]) == 0.5
