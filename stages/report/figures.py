"""The figures of a run: loss curves, output distributions, piano rolls.

The same drawing serves twice: as a PNG for paper and README, and panel by panel as SVG inside a page. An SVG panel is
an element without a size of its own, so it scales with its container; it takes colours and font from the page, so it
follows light and dark; it says nothing to screen readers, so the element around it must. Both give the same bytes for
the same data.

Colours are those of Okabe and Ito (2008, jfly.uni-koeln.de/color), told apart by colour-blind readers; line style,
marker or filling tells the same in greyscale.
"""

import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

FIELDS = ("step", "pitch", "duration", "velocity")
"""The parts of a note, in the order the model predicts them."""


@dataclass(frozen=True)
class Palette:
    """Colours of a figure, each anything matplotlib takes."""

    ink: str  # text and axes
    faint: str  # grid and secondary lines
    real: str  # real music
    model: str  # the model, and validation
    fields: tuple[str, str, str, str]  # in the order of FIELDS


PRINT = Palette("#222222", "#8a8a8a", "#b5b5b5", "#0072b2", ("#0072b2", "#d55e00", "#007a59", "#9a5a86"))

# SVG carries only plain colours; `_inline` exchanges these for the page's CSS variables.
_PAGE = Palette("#000101", "#000102", "#000103", "#000104", ("#000104", "#000105", "#000106", "#000107"))
_VARIABLES = {
    "#000101": "var(--ink)",
    "#000102": "var(--faint)",
    "#000103": "var(--real)",
    "#000104": "var(--model)",
    "#000105": "var(--second)",
    "#000106": "var(--third)",
    "#000107": "var(--fourth)",
}

_STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same glyphs everywhere
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

_LINES = (("-", "o"), ("--", "s"), ("-.", "^"), (":", "D"))  # style and marker of each field

_AXES = {  # of each feature's distribution: title, label, logarithmic
    "pitch": ("Pitch", "pitch (bins of a semitone; C4 = MIDI note 60)", False),
    "step": ("Step", "time since the previous onset (s; first bin from 0)", True),
    "duration": ("Duration", "sounding time, pedal included (s)", True),
    "velocity": ("Velocity", "velocity (MIDI, 1 to 127)", False),
}


def loss(table: pd.DataFrame, best_epoch: int | None) -> Figure:
    """Losses in nats per note over training: in all at the left, validation by field at the right.

    `table` has a row an epoch with the columns of reports/loss.csv; columns that hold NaN alone are left out.
    `best_epoch` is marked where its validation loss is known.
    """
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 3.1), layout="constrained")
        left, right = figure.subplots(1, 2)
        _losses(left, table, best_epoch, PRINT)
        _losses_by_field(right, table, PRINT)
        return figure


def loss_panels(table: pd.DataFrame, best_epoch: int | None) -> dict[str, str]:
    """The two panels of `loss` as SVG elements for a page, by name: `total`, `fields`."""
    return {
        "total": _panel("total", lambda axes: _losses(axes, table, best_epoch, _PAGE)),
        "fields": _panel("fields", lambda axes: _losses_by_field(axes, table, _PAGE)),
    }


def distributions(table: pd.DataFrame) -> Figure:
    """How pitch, step, duration and velocity are distributed, generated against real, on common bins.

    `table` has the columns of reports/distributions.csv: feature, source (generated, test, validation), low, high
    (bin edges: MIDI numbers, or s) and share (of the source's notes). Drawn are shares, or shares per doubling of time,
    in %. A source without notes is left out.
    """
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 5.2), layout="constrained")
        for axes, feature in zip(figure.subplots(2, 2).flat, _AXES, strict=True):
            _distribution(axes, table, feature, PRINT)
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=3, labelcolor=PRINT.ink)
        return figure


def distribution_panels(table: pd.DataFrame) -> dict[str, str]:
    """The panels of `distributions` as SVG elements for a page, by feature."""
    return {name: _panel(name, lambda axes, name=name: _distribution(axes, table, name, _PAGE)) for name in _AXES}


def roll(notes: pd.DataFrame, regions: Sequence[Mapping], seconds: float, title: str = "") -> Figure:
    """A piano roll: time in s across, pitch upwards, velocity as shade.

    `notes` is a note table with the column `generated`: the model's notes are blue, those of real music grey.
    `regions` are stretches {"kind", "start", "end"}, in s, to be marked and named; `seconds` is the length of it all.
    """
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(9, 3.2), layout="constrained")
        axes = figure.subplots()
        low, high = pitch_range(notes["pitch"])
        axes.set(xlim=(0, max(seconds, 1)), ylim=(low - 0.5, high + 0.5), xlabel="time (s)", ylabel="pitch")
        octaves = [pitch for pitch in range(low, high + 1) if pitch % 12 == 0]
        axes.set_yticks(octaves, [note_name(pitch) for pitch in octaves])
        axes.xaxis.set_major_locator(MaxNLocator(nbins=12, steps=[1, 2, 5, 10]))
        for region in regions:
            _region(axes, region)
        for generated in (False, True):
            _bars(axes, notes[notes["generated"] == generated], _SHADES[generated])
        _key(axes, notes)
        # A composer's title is not markup, even with two dollar signs in it.
        axes.set_title(title, color=PRINT.ink, parse_math=False, y=1.085, pad=0)
        return figure


def pitch_range(pitches: Iterable[int]) -> tuple[int, int]:
    """The whole octaves C to C that hold all `pitches` (MIDI numbers), three of them at least."""
    pitches = list(pitches) or [60]
    low, high = min(pitches) // 12 * 12, -(-max(pitches) // 12) * 12
    while high - low < 36:
        low, high = (low - 12, high) if 60 - low <= high - 60 else (low, high + 12)
    return low, high


def note_name(pitch: int) -> str:
    """Name of a MIDI note number in scientific pitch notation: 60 is C4."""
    return f"{('C', 'C♯', 'D', 'E♭', 'E', 'F', 'F♯', 'G', 'A♭', 'A', 'B♭', 'B')[pitch % 12]}{pitch // 12 - 1}"


def save(figure: Figure, path: Path, dpi: int) -> None:
    """Write a figure as PNG, without the date and version that matplotlib would put in."""
    with matplotlib.rc_context(_STYLE):
        figure.savefig(path, dpi=dpi, format="png", facecolor="white", metadata={"Software": None})


def _panel(name: str, draw: Callable[[Axes], None]) -> str:
    # `name` keeps the ids that matplotlib derives from this salt apart from those of other panels on the same page.
    with matplotlib.rc_context(_STYLE | {"font.size": 10, "svg.hashsalt": name}):
        figure = Figure(figsize=(4.6, 3.1), layout="constrained")
        draw(figure.subplots())
        figure.axes[0].set_title("")  # the page has its own headings
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata=dict.fromkeys(_METADATA))
    return _inline(buffer.getvalue())


def _losses(axes: Axes, table: pd.DataFrame, best_epoch: int | None, palette: Palette) -> None:
    heard, label = _notes_heard(table)
    curves = (
        ("infill_loss", "training, filling in", palette.faint, "--", ""),
        ("loss", "training, going on", palette.faint, "-", ""),
        ("validation_loss", "validation, going on", palette.model, "-", "o"),
    )
    for column, name, colour, style, marker in curves:
        if table[column].notna().any():
            # One epoch makes no line, only a point.
            axes.plot(heard, table[column], style, color=colour, marker=marker or "." * (len(table) == 1), label=name)
    best = table[(table["epoch"] == best_epoch) & table["validation_loss"].notna()]
    if len(best):
        x, y = heard[best.index[0]], best["validation_loss"].iloc[0]
        best_label = f"best: {y:.2f}, epoch {best_epoch}"
        axes.plot([x], [y], "o", color=palette.model, markersize=8, fillstyle="none", linestyle="", label=best_label)
        axes.set_ylim(bottom=axes.get_ylim()[0])  # keep it where it is when the line down to the axis comes
        axes.vlines(x, axes.get_ylim()[0], y, color=palette.model, linewidth=0.8, linestyles=(0, (1, 2)))
    if axes.lines:
        axes.legend(loc="upper right", labelcolor=palette.ink)
    _dress(axes, "Loss", label, "loss (nats per note)", palette)


def _losses_by_field(axes: Axes, table: pd.DataFrame, palette: Palette) -> None:
    heard, label = _notes_heard(table)
    for field, colour, (style, marker) in zip(FIELDS, palette.fields, _LINES, strict=True):
        column = table[f"validation_{field}"]
        if column.notna().any():
            axes.plot(heard, column, style, color=colour, marker=marker, label=field)
    if axes.lines:
        axes.legend(loc="best", ncols=2, labelcolor=palette.ink)
    else:
        axes.text(0.5, 0.5, "no validation notes", ha="center", color=palette.ink, transform=axes.transAxes)
    _dress(axes, "Validation loss by field", label, "loss (nats per note)", palette)


def _notes_heard(table: pd.DataFrame) -> tuple[pd.Series, str]:
    largest = table["notes"].max() if len(table) else 0
    unit, name = (1e6, "millions") if largest >= 1e6 else (1e3, "thousands")
    return table["notes"] / unit, f"training notes heard ({name})"


def _distribution(axes: Axes, table: pd.DataFrame, feature: str, palette: Palette) -> None:
    title, label, logarithmic = _AXES[feature]
    rows = table[(table["feature"] == feature) & table["share"].notna()]
    styles = {  # drawn in this order: filled area, outline, line on top
        "test": {"fill": True, "color": palette.real, "label": "test music"},
        "validation": {"color": palette.faint, "linestyle": (0, (1, 1.2)), "linewidth": 1, "label": "validation music"},
        "generated": {"color": palette.model, "linewidth": 1.5, "label": "generated"},
    }
    for source, style in styles.items():
        bins = rows[rows["source"] == source].sort_values("low")
        if len(bins):
            edges = bin_edges(bins, logarithmic)
            # Bins in time are not equally wide: only per width are their heights comparable, and areas shares.
            width = np.diff(np.log2(edges)) if logarithmic else 1
            axes.stairs(100 * bins["share"].to_numpy() / width, edges, **style)
    if not len(rows):
        axes.text(0.5, 0.5, "no notes", ha="center", color=palette.ink, transform=axes.transAxes)
    elif logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    elif feature == "pitch":
        octaves = range(24, 109, 12)
        axes.set_xticks(octaves, [note_name(pitch) for pitch in octaves])
    axes.margins(x=0.01)
    axes.set_ylim(bottom=0)
    _dress(axes, title, label, f"notes per {'doubling of time' if logarithmic else 'bin'} (%)", palette)


def bin_edges(bins: pd.DataFrame, logarithmic: bool) -> np.ndarray:
    """Edges `[bins + 1]` of sorted, adjoining bins with the columns low and high.

    A logarithmic axis has no room for 0: a first bin that begins there is drawn as wide as its neighbour.
    """
    edges = np.append(bins["low"].to_numpy(float), bins["high"].iloc[-1])
    if logarithmic and edges[0] <= 0:
        edges[0] = edges[1] ** 2 / edges[2] if len(edges) > 2 else edges[1] / 2
    return edges


def _dress(axes: Axes, title: str, x: str, y: str, palette: Palette) -> None:
    axes.set_title(title, color=palette.ink, fontweight="bold")
    axes.set_xlabel(x, color=palette.ink)
    axes.set_ylabel(y, color=palette.ink)
    axes.tick_params(which="both", color=palette.faint, labelcolor=palette.ink)
    axes.grid(color=palette.faint)
    for spine in axes.spines.values():
        spine.set_color(palette.faint)


def _shades(light: str, dark: str) -> LinearSegmentedColormap:
    return LinearSegmentedColormap.from_list("velocity", [light, dark])


_SHADES = {True: _shades("#c3def0", "#003f6b"), False: _shades("#d9d6d0", "#1d1b18")}  # by `generated`


def _bars(axes: Axes, notes: pd.DataFrame, shades: LinearSegmentedColormap) -> None:
    left, right = notes["start"].to_numpy(), (notes["start"] + notes["sustained"]).to_numpy()
    bottom, top = notes["pitch"].to_numpy(float) - 0.45, notes["pitch"].to_numpy(float) + 0.45
    corners = np.stack([left, bottom, left, top, right, top, right, bottom], axis=1).reshape(-1, 4, 2)
    bars = PolyCollection(corners, cmap=shades, edgecolors="none")
    bars.set_array(notes["velocity"].to_numpy(float))
    bars.set_clim(1, 127)
    axes.add_collection(bars, autolim=False)


def _region(axes: Axes, region: Mapping) -> None:
    axes.axvspan(region["start"], region["end"], facecolor="#f3efe4", edgecolor="none", zorder=0)
    for edge in (region["start"], region["end"]):
        axes.axvline(edge, color=PRINT.ink, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
    axes.annotate(
        region["kind"],
        ((region["start"] + region["end"]) / 2, 1),
        (0, 3),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="center",
        color=PRINT.ink,
        annotation_clip=False,
    )


def _key(axes: Axes, notes: pd.DataFrame) -> None:
    sources = [generated for generated in (True, False) if (notes["generated"] == generated).any()]
    if not sources:
        return
    key = axes.inset_axes((0.84, 1.05, 0.16, 0.055 * len(sources)))
    ramps = [_SHADES[generated](np.linspace(0, 1, 127)) for generated in sources]
    key.imshow(ramps, aspect="auto", extent=(0.5, 127.5, len(sources) - 0.5, -0.5), interpolation="nearest")
    key.set_yticks(range(len(sources)), ["generated" if generated else "real" for generated in sources])
    key.set_xticks([1, 64, 127], ["1", "velocity", "127"])
    key.xaxis.tick_top()
    key.tick_params(length=0, labelsize=7, labelcolor=PRINT.ink)
    key.grid(visible=False)
    key.spines[:].set_visible(False)


_METADATA = ("Creator", "Date", "Format", "Type")


def _inline(document: str) -> str:
    """An SVG document of matplotlib's as an element inside HTML: no prologue, no size, no needless ids."""
    namespace = "http://www.w3.org/2000/svg"
    ElementTree.register_namespace("", namespace)
    ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    root = ElementTree.fromstring(document)
    for metadata in root.findall(f"{{{namespace}}}metadata"):
        root.remove(metadata)
    used = set(re.findall(r"#([\w-]+)", document))
    for element in root.iter():
        if element.get("id") not in used:
            element.attrib.pop("id", None)
    for defs in root.findall(f"{{{namespace}}}defs"):
        for style in defs.findall(f"{{{namespace}}}style"):  # it would hold for all of the page
            defs.remove(style)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.set("aria-hidden", "true")
    text = ElementTree.tostring(root, encoding="unicode")
    text = re.sub(r"font-family: [^;]+; ", "", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    text = re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", text)  # of 331 units across
    return re.sub(r"\s*\n\s*", "", text)
