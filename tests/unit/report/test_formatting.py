"""Numbers as text."""

import math

import pytest

from stages.report import formatting


@pytest.mark.parametrize(
    ("number", "text"), [(12_345, "12,345"), (2_272_000, "2.27 million"), (65_185_624, "65.2 million")]
)
def test_large_counts_are_rounded(number, text):
    assert formatting.format_count(number) == text


@pytest.mark.parametrize("missing", [None, math.nan])
def test_missing_values_are_a_dash(missing):
    for function in (formatting.format_fixed, formatting.format_significant, formatting.format_fraction):
        assert function(missing) == "–"  # noqa: RUF001


def test_numbers_are_rounded():
    assert formatting.format_fixed(8.4686) == "8.47"
    assert formatting.format_significant(15.7536) == "15.8"
    assert formatting.format_fraction(0.0192) == "1.92\u00a0%"
    assert formatting.format_duration(83.4) == "1:23"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (384, "384"),
        (1.0, "1"),
        (0.01, "0.01"),
        ("bfloat16", "bfloat16"),
        ([0.95, 1.0, 1.0, 1], "0.95, 1, 1, 1"),
        ([0.9, 0.9], "0.9"),
    ],
)
def test_params_are_shown_as_in_params_yaml(value, text):
    assert formatting.format_param(value) == text
