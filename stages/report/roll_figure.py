"""Piano rolls as figures."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stages.report.fonts import make_drawable
from stages.report.pitches import note_name, pitch_range
from stages.report.style import PRINT, in_style
from stages.samples.sample_set import Region

VELOCITY_COLOURS = {
    True: LinearSegmentedColormap.from_list("velocity", ["#c3def0", "#003f6b"]),
    False: LinearSegmentedColormap.from_list("velocity", ["#d9d6d0", "#1d1b18"]),
}
"""Colour map over velocity for notes that are generated (True) or real (False): the louder, the darker."""


def draw_piano_roll(notes: pd.DataFrame, regions: Sequence[Region], seconds: float, title: str = "") -> Figure:
    """Draw a piano roll: time from left to right, pitch upwards, velocity as darkness.

    Args:
        notes: a note table with the column `generated`: generated notes are blue, real ones grey.
        regions: parts to mark and label, such as the prompt.
        seconds: length of the time axis.
        title: plain text above the axes.
    """
    with in_style():
        figure = Figure(figsize=(9, 3.2), layout="constrained")
        axes = figure.subplots()
        _set_axes(axes, pitch_range(notes["pitch"]), seconds)
        for region in regions:
            _mark_region(axes, region)
        for generated in (False, True):
            _add_notes(axes, notes[notes["generated"] == generated], VELOCITY_COLOURS[generated])
        _add_legend(axes, notes)
        # A title with two dollar signs is not a formula.
        drawable = make_drawable(title)
        axes.set_title(
            drawable.text, fontfamily=list(drawable.families), color=PRINT.ink, parse_math=False, y=1.085, pad=0
        )
        return figure


def _set_axes(axes: Axes, pitches: tuple[int, int], seconds: float) -> None:
    low, high = pitches
    axes.set(xlim=(0, max(seconds, 1)), ylim=(low - 0.5, high + 0.5), xlabel="Time (s)", ylabel="Pitch")
    octaves = range(low, high + 1, 12)
    axes.set_yticks(octaves, [note_name(pitch) for pitch in octaves])
    axes.xaxis.set_major_locator(MaxNLocator(nbins=12, steps=[1, 2, 5, 10]))


def _add_notes(axes: Axes, notes: pd.DataFrame, colours: LinearSegmentedColormap) -> None:
    left, right = notes["start"].to_numpy(), (notes["start"] + notes["sounding_duration"]).to_numpy()
    bottom, top = notes["pitch"].to_numpy(float) - 0.45, notes["pitch"].to_numpy(float) + 0.45
    corners = np.stack([left, bottom, left, top, right, top, right, bottom], axis=1).reshape(-1, 4, 2)
    bars = PolyCollection(list(corners), cmap=colours, edgecolors="none")
    bars.set_array(notes["velocity"].to_numpy(float))
    bars.set_clim(1, 127)
    axes.add_collection(bars, autolim=False)


def _mark_region(axes: Axes, region: Region) -> None:
    axes.axvspan(region.start, region.end, facecolor="#f3efe4", edgecolor="none", zorder=0)
    for edge in (region.start, region.end):
        axes.axvline(edge, color=PRINT.ink, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
    axes.annotate(
        region.kind,
        ((region.start + region.end) / 2, 1),
        (0, 3),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="center",
        color=PRINT.ink,
        annotation_clip=False,
    )


def _add_legend(axes: Axes, notes: pd.DataFrame) -> None:
    sources = [generated for generated in (True, False) if (notes["generated"] == generated).any()]
    if not sources:
        return
    legend = axes.inset_axes((0.84, 1.05, 0.16, 0.055 * len(sources)))
    ramps = [VELOCITY_COLOURS[generated](np.linspace(0, 1, 127)) for generated in sources]
    legend.imshow(ramps, aspect="auto", extent=(0.5, 127.5, len(sources) - 0.5, -0.5), interpolation="nearest")
    legend.set_yticks(range(len(sources)), ["generated" if generated else "real" for generated in sources])
    legend.set_xticks([1, 64, 127], ["1", "velocity", "127"])
    legend.xaxis.tick_top()
    legend.tick_params(length=0, labelsize=7, labelcolor=PRINT.ink)
    legend.grid(visible=False)
    legend.spines[:].set_visible(False)
