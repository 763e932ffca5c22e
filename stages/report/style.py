"""The look of all figures: colours, line styles and fonts.

Colours are those of Okabe and Ito (2008, jfly.uni-koeln.de/color), which colour-blind readers can tell apart. Line
style, marker or area tell the same in greyscale.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stages.report.fonts import MAIN_FONT


@dataclass(frozen=True)
class Palette:
    """The colours of a figure, each anything matplotlib accepts."""

    ink: str  # text and axes
    faint: str  # grid and secondary lines
    real: str  # real music
    model: str  # generated music, and validation
    fields: tuple[str, str, str, str]  # one for each of grid_encoding.FIELDS


PRINT = Palette("#222222", "#8a8a8a", "#b5b5b5", "#0072b2", ("#0072b2", "#d55e00", "#007a59", "#9a5a86"))
"""Colours of the PNG files."""

STYLE: dict[Any, Any] = {
    "font.family": MAIN_FONT,
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.linewidth": 0.4,
    "grid.alpha": 0.35,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "lines.linewidth": 1.4,
    "lines.markersize": 3.2,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "path.simplify": False,
    "svg.fonttype": "none",  # text stays text: it can be selected, read aloud, and takes the page's font
}
"""matplotlib's rcParams for every figure."""

LINE_STYLES = (("-", "o"), ("--", "s"), ("-.", "^"), (":", "D"))
"""Line style and marker for each of grid_encoding.FIELDS."""


def in_style(**more: Any) -> AbstractContextManager[None]:
    """Return a context in which figures are drawn and saved: STYLE alone, without what the machine's matplotlibrc says.

    Args:
        more: further rcParams.
    """
    return style.context(STYLE | more, after_reset=True)


def format_axes(axes: Axes, title: str, x_label: str, y_label: str, palette: Palette) -> None:
    """Set the title and labels of `axes`, and colour everything that is not data."""
    axes.set_title(title, color=palette.ink, fontweight="bold")
    axes.set_xlabel(x_label, color=palette.ink)
    axes.set_ylabel(y_label, color=palette.ink)
    axes.tick_params(which="both", color=palette.faint, labelcolor=palette.ink)
    axes.grid(color=palette.faint)
    for spine in axes.spines.values():
        spine.set_color(palette.faint)


def save_figure(figure: Figure, path: Path, dpi: int) -> None:
    """Write a figure as PNG, without the version that matplotlib would put in, so that the bytes stay the same."""
    with in_style():
        figure.savefig(path, dpi=dpi, format="png", facecolor="white", metadata={"Software": None})
