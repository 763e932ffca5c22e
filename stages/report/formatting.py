"""Numbers and names as text for the page. A missing value is shown as a dash."""

import math
from typing import Any

MISSING = "–"  # noqa: RUF001


def format_count(number: int) -> str:
    """Return a count with three significant digits from a million on: "2.27 million", else all of them: "12,345"."""
    return f"{number / 1e6:.3g} million" if number >= 1e6 else f"{number:,}"


def format_fixed(value: float | None) -> str:
    """Return a number with two decimals: 8.4686 becomes "8.47"."""
    return MISSING if value is None or math.isnan(value) else f"{value:.2f}"


def format_significant(value: float | None) -> str:
    """Return a number with three significant digits: 15.7536 becomes "15.8"."""
    return MISSING if value is None or math.isnan(value) else f"{value:.3g}"


def format_fraction(value: float | None) -> str:
    """Return a fraction in percent with three significant digits: 0.0192 becomes "1.92 %"."""
    return MISSING if value is None or math.isnan(value) else f"{100 * value:.3g}\u00a0%"


def format_duration(seconds: float) -> str:
    """Return minutes and seconds: 83.4 becomes "1:23"."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def format_words(name: str) -> str:
    """Return a column or feature name in words: "pitch_class" becomes "pitch class"."""
    return name.replace("_", " ")


def format_param(value: Any) -> str:
    """Return a value of params.yaml as it is written there, a list with equal items as one of them."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        items = [format_param(item) for item in value]
        return items[0] if len(set(items)) == 1 else ", ".join(items)
    return f"{value:g}" if isinstance(value, float) else str(value)


def css_percent(part: float, whole: float) -> str:
    """Return `part` of `whole` as a CSS percentage: "25.00%"."""
    return f"{100 * part / whole:.2f}%"
