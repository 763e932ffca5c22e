"""The charts show the numbers of their tables, on axes that fit them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.patches import StepPatch

from stages.report import figures
from stages.representation.grid_encoding import FIELDS
from tests.helpers import sample_reports


def curves(axes) -> dict:
    return {line.get_label(): line for line in axes.lines}


def test_loss_curves_are_the_table_over_notes_seen():
    table = sample_reports.loss()
    total, fields = figures.draw_loss(table).axes
    shown = curves(total)
    for label, column in {
        "training, continuation": "train_loss",
        "training, infill": "train_infill_loss",
        "validation, continuation": "validation_loss",
    }.items():
        assert shown[label].get_ydata() == pytest.approx(table[column])
        assert shown[label].get_xdata() == pytest.approx(table["notes_seen"] / 1e6)
    assert total.get_xlabel() == "Training notes seen (millions)"
    assert total.get_ylabel() == fields.get_ylabel() == "Negative log-likelihood (nats per note)"
    assert {name: line.get_ydata()[0] for name, line in curves(fields).items()} == pytest.approx(
        {name: table[f"validation_{name}"][0] for name in FIELDS}
    )


def test_the_epoch_with_the_lowest_validation_loss_is_marked():
    table = sample_reports.loss()
    total = figures.draw_loss(table).axes[0]
    [mark] = [line for label, line in curves(total).items() if label.startswith("best")]
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == pytest.approx((2.4, table["validation_loss"][3]))
    assert mark.get_label() == "best: 10.00, epoch 4"


def test_without_validation_music_its_curves_are_left_out():
    total, fields = figures.draw_loss(sample_reports.loss(validation=False)).axes
    assert set(curves(total)) == {"training, continuation", "training, infill"}
    assert not fields.lines and fields.texts[0].get_text() == "no validation music"


def test_a_single_epoch_is_visible():
    total, fields = figures.draw_loss(sample_reports.loss(epochs=1)).axes
    assert all(line.get_marker() not in ("", "None", None) for line in [*total.lines, *fields.lines])
    assert "thousands" in total.get_xlabel()


def test_no_two_curves_differ_by_colour_alone():
    total, fields = figures.draw_loss(sample_reports.loss()).axes
    for axes in (total, fields):
        looks = [(line.get_linestyle(), line.get_marker()) for line in axes.lines]
        assert len(set(looks)) == len(looks)
    areas = figures.draw_distributions(sample_reports.distributions()).axes[1].patches
    assert len({(patch.get_fill(), str(patch.get_linestyle())) for patch in areas}) == len(areas) == 3


def test_distributions_are_the_table_on_common_bins():
    table = sample_reports.distributions()
    panels = figures.draw_distributions(table).axes
    headings = ["Pitch", "Step: time from one onset to the next", "Duration, pedal included", "Velocity"]
    assert [axes.get_title(loc="left") for axes in panels] == headings
    for axes, feature in zip(panels, ("pitch", "step", "duration", "velocity"), strict=True):
        assert axes.get_xscale() == ("log" if feature in ("step", "duration") else "linear")
        shown = {patch.get_label(): patch.get_data() for patch in axes.patches if isinstance(patch, StepPatch)}
        assert set(shown) == {"generated", "test music", "validation music"}
        for label, stairs in shown.items():
            rows = table[(table["feature"] == feature) & (table["music"] == label.split()[0])]
            areas = stairs.values * (np.diff(np.log2(stairs.edges)) if axes.get_xscale() == "log" else 1)
            assert areas == pytest.approx(100 * rows["fraction"])
            assert stairs.edges[1:] == pytest.approx(rows["high"])
            assert stairs.edges == pytest.approx(shown["generated"].edges)


@pytest.mark.parametrize("names", [(), ("test",), ("test", "validation")])
def test_music_without_notes_is_left_out(names):
    for axes in figures.draw_distributions(sample_reports.distributions(names)).axes:
        assert len(axes.patches) == len(names)


@given(st.lists(st.floats(0, 100), min_size=2, max_size=20, unique=True).map(sorted))
def test_every_bin_has_a_place_on_a_logarithmic_axis(edges):
    bins = pd.DataFrame({"low": edges[:-1], "high": edges[1:]})
    drawn = figures.bin_edges(bins, logarithmic=True)
    assert (drawn > 0).all() or edges[1] ** 2 < 1e-300
    assert drawn[1:] == pytest.approx(edges[1:])
    assert figures.bin_edges(bins, logarithmic=False) == pytest.approx(edges)
