"""Charts of a run: loss curves and output distributions.

The same drawing is used twice: as a PNG file, and panel by panel as SVG inside the page.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from stages.report.pitches import note_name
from stages.report.style import LINE_STYLES, PRINT, Palette, format_axes, in_style
from stages.report.svg import PAGE, svg_panel
from stages.report.tables import best_row
from stages.representation.grid_encoding import FIELDS

NLL_LABEL = "Negative log-likelihood (nats per note)"


@dataclass(frozen=True)
class FeatureAxis:
    """How a feature's distribution is shown: its heading and its horizontal axis."""

    heading: str
    label: str
    logarithmic: bool


FEATURE_AXES = {
    "pitch": FeatureAxis("Pitch", "Pitch (C4 = MIDI note 60)", False),
    "step": FeatureAxis(
        "Step: time from one onset to the next", "Time since the previous onset (s; first bin from 0)", True
    ),
    "duration": FeatureAxis("Duration, pedal included", "Sounding duration, pedal included (s)", True),
    "velocity": FeatureAxis("Velocity", "MIDI velocity (1 to 127)", False),
}


def draw_loss(loss: pd.DataFrame) -> Figure:
    """Draw the loss over training: total on the left, validation by field on the right.

    Args:
        loss: reports/loss.csv, one row an epoch. Columns of missing values are left out.
    """
    with in_style():
        figure = Figure(figsize=(7.2, 3.1), layout="constrained")
        left, right = figure.subplots(1, 2)
        _draw_total_loss(left, loss, PRINT)
        _draw_loss_by_field(right, loss, PRINT)
        return figure


def loss_panels(loss: pd.DataFrame) -> dict[str, str]:
    """Return the two panels of `draw_loss` as SVG elements: `total` and `fields`."""
    return {
        "total": svg_panel("total", lambda axes: _draw_total_loss(axes, loss, PAGE)),
        "fields": svg_panel("fields", lambda axes: _draw_loss_by_field(axes, loss, PAGE)),
    }


def draw_distributions(distributions: pd.DataFrame) -> Figure:
    """Draw how pitch, step, duration and velocity are distributed in generated, test and validation music.

    Bars show the percentage of notes in a bin, or, on a logarithmic axis, per doubling of time.

    Args:
        distributions: reports/distributions.csv. Music (generated, test, validation) without notes is left out.
    """
    with in_style():
        figure = Figure(figsize=(7.2, 5.2), layout="constrained")
        for axes, feature in zip(figure.subplots(2, 2).flat, FEATURE_AXES, strict=True):
            _draw_distribution(axes, distributions, feature, PRINT)
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=3, labelcolor=PRINT.ink)
        return figure


def distribution_panels(distributions: pd.DataFrame) -> dict[str, str]:
    """Return the panels of `draw_distributions` as SVG elements, by feature."""
    draw = partial(_draw_distribution, distributions=distributions, palette=PAGE)
    return {feature: svg_panel(feature, partial(draw, feature=feature)) for feature in FEATURE_AXES}


def bin_edges(bins: pd.DataFrame, logarithmic: bool) -> np.ndarray:
    """Return the edges of adjacent bins.

    A logarithmic axis cannot show 0: a first bin that begins there is drawn as wide as its neighbour.

    Args:
        bins: the columns `low` and `high`, in ascending order.
        logarithmic: whether the axis is.

    Returns:
        Edges, shape (bins + 1,).
    """
    edges = np.append(bins["low"].to_numpy(float), bins["high"].iloc[-1])
    if logarithmic and edges[0] <= 0:
        edges[0] = edges[1] ** 2 / edges[2] if len(edges) > 2 else edges[1] / 2
    return edges


def _draw_total_loss(axes: Axes, loss: pd.DataFrame, palette: Palette) -> None:
    notes_seen, x_label = _notes_seen(loss)
    curves = (
        ("train_infill_loss", "training, infill", palette.faint, "--", ""),
        ("train_loss", "training, continuation", palette.faint, "-", ""),
        ("validation_loss", "validation, continuation", palette.model, "-", "o"),
    )
    for column, label, colour, line_style, marker in curves:
        if loss[column].notna().any():
            # A single epoch is a point, not a line.
            marker = marker or "." * (len(loss) == 1)
            axes.plot(notes_seen, loss[column], line_style, color=colour, marker=marker, label=label)
    best = best_row(loss)
    if pd.notna(best["validation_loss"]):
        _mark_best_epoch(axes, notes_seen[best.name], best, palette)
    axes.legend(loc="upper right", labelcolor=palette.ink)
    format_axes(axes, "Loss", x_label, NLL_LABEL, palette)


def _mark_best_epoch(axes: Axes, notes_seen: float, best: pd.Series, palette: Palette) -> None:
    nll = best["validation_loss"]
    label = f"best: {nll:.2f}, epoch {best['epoch']:.0f}"
    axes.plot([notes_seen], [nll], "o", color=palette.model, markersize=8, fillstyle="none", linestyle="", label=label)
    axes.set_ylim(bottom=axes.get_ylim()[0])  # keep the limit when the line down to the axis is added
    axes.vlines(notes_seen, axes.get_ylim()[0], nll, color=palette.model, linewidth=0.8, linestyles=(0, (1, 2)))


def _draw_loss_by_field(axes: Axes, loss: pd.DataFrame, palette: Palette) -> None:
    notes_seen, x_label = _notes_seen(loss)
    for field, colour, (line_style, marker) in zip(FIELDS, palette.fields, LINE_STYLES, strict=True):
        column = loss[f"validation_{field}"]
        if column.notna().any():
            axes.plot(notes_seen, column, line_style, color=colour, marker=marker, label=field)
    if axes.lines:
        axes.legend(loc="best", ncols=2, labelcolor=palette.ink)
    else:
        axes.text(0.5, 0.5, "no validation music", ha="center", color=palette.ink, transform=axes.transAxes)
    format_axes(axes, "Validation loss by field", x_label, NLL_LABEL, palette)


def _notes_seen(loss: pd.DataFrame) -> tuple[pd.Series, str]:
    unit, name = (1e6, "millions") if loss["notes_seen"].max() >= 1e6 else (1e3, "thousands")
    return loss["notes_seen"] / unit, f"Training notes seen ({name})"


def _draw_distribution(axes: Axes, distributions: pd.DataFrame, feature: str, palette: Palette) -> None:
    axis = FEATURE_AXES[feature]
    rows = distributions[(distributions["feature"] == feature) & distributions["fraction"].notna()]
    styles: dict[str, dict[str, Any]] = {  # drawn in this order: filled area, outline, line on top
        "test": {"fill": True, "color": palette.real, "label": "test music"},
        "validation": {"color": palette.faint, "linestyle": (0, (1, 1.2)), "linewidth": 1, "label": "validation music"},
        "generated": {"color": palette.model, "linewidth": 1.5, "label": "generated"},
    }
    for music, style in styles.items():
        bins = rows[rows["music"] == music].sort_values("low")
        if len(bins):
            edges = bin_edges(bins, axis.logarithmic)
            # Bins in time differ in width: per width, heights are comparable and areas are fractions of the notes.
            width = np.diff(np.log2(edges)) if axis.logarithmic else 1
            axes.stairs(100 * bins["fraction"].to_numpy() / width, edges, **style)
    if rows.empty:
        axes.text(0.5, 0.5, "no notes", ha="center", color=palette.ink, transform=axes.transAxes)
    else:
        _format_ticks(axes, feature)
    axes.margins(x=0.01)
    axes.set_ylim(bottom=0)
    per = "doubling of time" if axis.logarithmic else "bin"
    format_axes(axes, axis.heading, axis.label, f"Notes per {per} (%)", palette)


def _format_ticks(axes: Axes, feature: str) -> None:
    if FEATURE_AXES[feature].logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    elif feature == "pitch":
        octaves = range(24, 109, 12)
        axes.set_xticks(octaves, [note_name(pitch) for pitch in octaves])
