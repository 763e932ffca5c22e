"""The templates of `dvc plots` in .dvc/plots fit the CSV files that the stages write."""

import json
import re
from typing import Any

import pandas as pd
import pytest
from dvc.render.converter.vega import VegaConverter
from dvc_render import VegaRenderer

from stages.report import figures
from tests.helpers import sample_reports
from tests.helpers.source_analysis import ROOT

TEMPLATES = ROOT / ".dvc" / "plots"
PLOTS = {
    # file: template, x, y, table
    "distributions.csv": ("distributions", "low", "fraction", sample_reports.distributions()),
    "quantiles.csv": ("quantiles", "quantile", "value", sample_reports.quantiles()),
    "nll.csv": ("fields", "note_field", "nll", sample_reports.nll()),
    "overlap.csv": ("comparison", "feature", "value", sample_reports.overlap()),
    "descriptors.csv": ("comparison", "descriptor", "value", sample_reports.descriptors()),
    "unreadable.csv": ("files", "file", "reason", sample_reports.unreadable()),
}


def fill(file: str, table: pd.DataFrame, x: str, y: str, template: str) -> dict[str, Any]:
    """Return the Vega-Lite specification that `dvc plots diff` makes of two revisions of a table."""
    rows = table.astype(str).where(table.notna(), "").to_dict("records")
    datapoints = []
    for revision in ("workspace", "HEAD"):
        converter = VegaConverter(file, {file: rows}, {"x": x, "y": y, "template": template, "title": "A title"})
        points, properties = converter.flat_datapoints(revision)
        datapoints += points
    return VegaRenderer(datapoints, file, **properties, template_dir=str(TEMPLATES)).get_filled_template()


def find_values(content: Any, key: str) -> list[Any]:
    """Return the values of a key at every depth."""
    if isinstance(content, dict):
        own = [content[key]] if key in content else []
        return own + [value for part in content.values() for value in find_values(part, key)]
    if isinstance(content, list):
        return [value for part in content for value in find_values(part, key)]
    return []


@pytest.fixture(params=PLOTS)
def specification(request) -> dict[str, Any]:
    template, x, y, table = PLOTS[request.param]
    return fill(request.param, table, x, y, template)


def test_every_template_is_tested():
    assert {path.stem for path in TEMPLATES.glob("*.json")} == {template for template, *_ in PLOTS.values()}


def test_every_column_that_a_template_uses_exists(specification):
    data = specification.pop("data")["values"]
    assert "DVC_METRIC" not in json.dumps(specification)
    # `measure` is optional: descriptors.csv has none.
    known = {*data[0], "measure", *find_values(specification["transform"], "as")}
    used = {field for field in find_values(specification, "field") if isinstance(field, str)}
    for expression in find_values(specification, "calculate") + find_values(specification, "filter"):
        used |= {one or other for one, other in re.findall(r"datum\.(\w+)|datum\['(\w+)'\]", expression)}
    assert used <= known


def test_revisions_are_told_apart(specification):
    assert {point["rev"] for point in specification.pop("data")["values"]} == {"workspace", "HEAD"}
    channels = [
        channel for name in ("color", "strokeDash", "opacity", "text") for channel in find_values(specification, name)
    ]
    assert "rev" in [channel.get("field") for channel in channels if isinstance(channel, dict)]


def test_all_music_and_every_split_has_a_colour(specification):
    data = specification.pop("data")["values"]
    for color in find_values(specification, "color"):
        domain = color.get("scale", {}).get("domain") if isinstance(color, dict) else None
        assert domain is None or {point[color["field"]] for point in data} == set(domain)


@pytest.mark.parametrize("name", PLOTS)
def test_no_column_has_a_name_that_dvc_overwrites(name):
    assert not {"field", "filename", "rev"} & set(PLOTS[name][3].columns)


def test_distributions_show_the_same_features_and_scales_as_the_figure():
    template, x, y, table = PLOTS["distributions.csv"]
    specification = fill("distributions.csv", table, x, y, template)
    panels = zip(figures.FEATURE_AXES, figures.draw_distributions(table).axes, strict=True)
    for view, (feature, axes) in zip(specification["concat"], panels, strict=True):
        assert view["title"] == axes.get_title(loc="left")
        assert view["transform"][0]["filter"] == f"datum.feature === '{feature}'"
        assert view["encoding"]["x"]["scale"].get("type", "linear") == axes.get_xscale()
