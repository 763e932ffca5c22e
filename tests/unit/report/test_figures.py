"""The figures show the numbers they were given, on axes that fit them, and are the same bytes every time."""

import os
import struct
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from dvc_render import VegaRenderer
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.collections import PolyCollection
from matplotlib.patches import StepPatch
from matplotlib.text import Text

from stages.report import figures
from tests.helpers import sample_reports
from tests.helpers.source_analysis import ROOT


def curves(axes) -> dict:
    return {line.get_label(): line for line in axes.lines}


def test_loss_curves_are_the_table_over_notes_heard():
    table = sample_reports.loss()
    total, fields = figures.loss(table, 4).axes
    shown = curves(total)
    for label, column in {
        "training, going on": "loss",
        "training, filling in": "infill_loss",
        "validation, going on": "validation_loss",
    }.items():
        assert shown[label].get_ydata() == pytest.approx(table[column])
        assert shown[label].get_xdata() == pytest.approx(table["notes"] / 1e6)
    assert "millions" in total.get_xlabel() and "nats per note" in total.get_ylabel()
    assert {name: line.get_ydata()[0] for name, line in curves(fields).items()} == pytest.approx(
        {name: table[f"validation_{name}"][0] for name in sample_reports.FIELDS}
    )


def test_the_best_epoch_is_marked_where_it_is():
    table = sample_reports.loss()
    total = figures.loss(table, 4).axes[0]
    [mark] = [line for label, line in curves(total).items() if label.startswith("best")]
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == pytest.approx((2.4, table["validation_loss"][3]))
    assert mark.get_label() == "best: 10.00, epoch 4"


def test_a_loss_without_validation_leaves_its_curves_out():
    total, fields = figures.loss(sample_reports.loss(validation=False), 5).axes
    assert set(curves(total)) == {"training, going on", "training, filling in"}
    assert not fields.lines and fields.texts[0].get_text() == "no validation notes"


def test_a_single_epoch_is_visible():
    total, fields = figures.loss(sample_reports.loss(epochs=1), 1).axes
    assert all(line.get_marker() not in ("", "None", None) for line in [*total.lines, *fields.lines])
    assert "thousands" in total.get_xlabel()


def test_no_two_curves_differ_by_colour_alone():
    total, fields = figures.loss(sample_reports.loss(), 4).axes
    for axes in (total, fields):
        looks = [(line.get_linestyle(), line.get_marker()) for line in axes.lines]
        assert len(set(looks)) == len(looks)
    areas = figures.distributions(sample_reports.distributions()).axes[1].patches
    assert len({(patch.get_fill(), str(patch.get_linestyle())) for patch in areas}) == len(areas) == 3


def test_distributions_are_the_table_on_common_bins():
    table = sample_reports.distributions()
    panels = figures.distributions(table).axes
    assert [axes.get_title(loc="left") for axes in panels] == ["Pitch", "Step", "Duration", "Velocity"]
    for axes, feature in zip(panels, ("pitch", "step", "duration", "velocity"), strict=True):
        assert axes.get_xscale() == ("log" if feature in ("step", "duration") else "linear")
        shown = {patch.get_label(): patch.get_data() for patch in axes.patches if isinstance(patch, StepPatch)}
        assert set(shown) == {"generated", "test music", "validation music"}
        for label, stairs in shown.items():
            rows = table[(table["feature"] == feature) & (table["source"] == label.split()[0])]
            areas = stairs.values * (np.diff(np.log2(stairs.edges)) if axes.get_xscale() == "log" else 1)
            assert areas == pytest.approx(100 * rows["share"])
            assert stairs.edges[1:] == pytest.approx(rows["high"])
            assert stairs.edges == pytest.approx(shown["generated"].edges)


@pytest.mark.parametrize("sources", [(), ("test",), ("test", "validation")])
def test_a_source_without_notes_is_left_out(sources):
    for axes in figures.distributions(sample_reports.distributions(sources)).axes:
        assert len(axes.patches) == len(sources)


@given(st.lists(st.floats(0, 100), min_size=2, max_size=20, unique=True).map(sorted))
def test_every_bin_has_a_place_on_a_logarithmic_axis(edges):
    bins = pd.DataFrame({"low": edges[:-1], "high": edges[1:]})
    drawn = figures.bin_edges(bins, logarithmic=True)
    assert (drawn > 0).all() or edges[1] ** 2 < 1e-300
    assert drawn[1:] == pytest.approx(edges[1:])
    assert figures.bin_edges(bins, logarithmic=False) == pytest.approx(edges)


def bars(axes) -> list[PolyCollection]:
    return [artist for artist in axes.collections if isinstance(artist, PolyCollection)]


def test_a_roll_shows_every_note_at_its_time_pitch_and_velocity():
    notes = sample_reports.notes()
    axes = figures.roll(notes, [{"kind": "prompt", "start": 0, "end": 2}], 8, "A $x$ and $y$").axes[0]
    for artist, (_, part) in zip(bars(axes)[-2:], notes.groupby("generated"), strict=True):
        boxes = np.array([path.get_extents().bounds for path in artist.get_paths()])  # left, bottom, width, height
        assert boxes[:, 0] == pytest.approx(part["start"])
        assert boxes[:, 2] == pytest.approx(part["sustained"])
        assert boxes[:, 1] + boxes[:, 3] / 2 == pytest.approx(part["pitch"])
        assert list(artist.get_array()) == list(part["velocity"])
    assert axes.get_xlim() == (0, 8) and "(s)" in axes.get_xlabel()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["C2", "C3", "C4", "C5"]
    assert "prompt" in [text.get_text() for text in axes.texts]
    [title] = [text for text in axes.findobj(Text) if text.get_text() == "A $x$ and $y$"]
    assert not title.get_parse_math()


def test_the_harder_a_note_is_struck_the_darker_it_is():
    axes = figures.roll(sample_reports.notes(), [], 8).axes[0]
    for artist in bars(axes)[-2:]:
        grey = artist.to_rgba(np.arange(1, 128))[:, :3] @ [0.2126, 0.7152, 0.0722]
        assert (np.diff(grey) < 0).all()


def test_a_roll_without_notes_is_empty_not_an_error(tmp_path):
    figures.save(figures.roll(sample_reports.notes().head(0), [], 0), tmp_path / "roll.png", 50)


@given(st.lists(st.integers(0, 127), max_size=30))
def test_the_range_of_a_roll_holds_every_pitch_in_whole_octaves(pitches):
    low, high = figures.pitch_range(pitches)
    assert low % 12 == high % 12 == 0 and high - low >= 36
    assert all(low <= pitch <= high for pitch in pitches)
    assert not pitches or high - low <= max(36, max(pitches) - min(pitches) + 22)


def test_note_names_are_those_of_the_keyboard():
    assert [figures.note_name(pitch) for pitch in (0, 21, 60, 61, 69, 108, 127)] == [
        "C-1",
        "A0",
        "C4",
        "C♯4",
        "A4",
        "C8",
        "G9",
    ]


def chunks(data: bytes) -> list[bytes]:
    names, at = [], 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        names.append(data[at + 4 : at + 8])
        at += length + 12
    return names


DRAW = """
import hashlib, sys
from pathlib import Path
from stages.report import figures
from tests.helpers import sample_reports
path = Path(sys.argv[1])
drawn = [figures.loss(sample_reports.loss(), 4), figures.distributions(sample_reports.distributions()),
         figures.roll(sample_reports.notes(), [{"kind": "prompt", "start": 0, "end": 2}], 8, "title")]
for figure in drawn:
    figures.save(figure, path, 80)
    print(hashlib.sha256(path.read_bytes()).hexdigest())
panels = figures.loss_panels(sample_reports.loss(), 4) | figures.distribution_panels(sample_reports.distributions())
print(hashlib.sha256("".join(panels.values()).encode()).hexdigest())
"""


def test_two_processes_draw_the_same_bytes(tmp_path):
    def draw(seed: str) -> str:
        command = [sys.executable, "-c", DRAW, str(tmp_path / f"{seed}.png")]
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        return subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True).stdout

    assert draw("1") == draw("2")
    assert set(chunks((tmp_path / "1.png").read_bytes())) <= {b"IHDR", b"pHYs", b"IDAT", b"IEND"}


def test_panels_take_every_colour_from_the_page_and_leave_no_loose_ends():
    panels = figures.loss_panels(sample_reports.loss(), 4) | figures.distribution_panels(sample_reports.distributions())
    assert set(panels) == {"total", "fields", "pitch", "step", "duration", "velocity"}
    for panel in panels.values():
        root = ElementTree.fromstring(panel)
        ids = [element.get("id") for element in root.iter() if element.get("id")]
        assert len(set(ids)) == len(ids)
        style = " ".join(element.get("style", "") for element in root.iter())
        assert "#" not in style.replace("url(#", "") and "font-family" not in style and "var(--" in style
        assert all(f"#{name}" in panel for name in ids)
        assert root.get("width") is None and root.get("viewBox")
    assert "going on" in panels["total"]  # text, not outlines


def test_the_template_of_dvc_plots_shows_the_same_features_and_sources():
    rows = sample_reports.distributions().assign(rev="workspace").astype(str).to_dict("records")
    about = {"template": "distributions", "template_dir": str(ROOT / ".dvc" / "plots"), "x": "low", "y": "share"}
    spec = VegaRenderer(rows, "distributions", title="t", **about).get_filled_template()
    assert spec["data"]["values"] == rows and "DVC_METRIC" not in str(spec)
    panels = figures.distributions(sample_reports.distributions()).axes
    for view, axes in zip(spec["concat"], panels, strict=True):
        assert view["title"] == axes.get_title(loc="left")
        assert view["transform"][0]["filter"] == f"datum.feature === '{view['title'].lower()}'"
        assert view["encoding"]["x"]["scale"].get("type", "linear") == axes.get_xscale()
        assert set(view["encoding"]["color"]["scale"]["domain"]) == {row["source"] for row in rows}
