"""SVG panels take their look from the page; figures are the same bytes in every process."""

import os
import struct
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from stages.report import figures
from tests.helpers import sample_reports
from tests.helpers.source_analysis import ROOT

DRAW = """
import hashlib, sys
from pathlib import Path
from stages.report import figures
from stages.report.roll_figure import draw_piano_roll
from stages.report.style import save_figure
from stages.samples.sample_set import Region
from tests.helpers import sample_reports
path = Path(sys.argv[1])
drawn = [figures.draw_loss(sample_reports.loss()), figures.draw_distributions(sample_reports.distributions()),
         draw_piano_roll(sample_reports.notes(), [Region("prompt", 0, 2)], 8, "title")]
for figure in drawn:
    save_figure(figure, path, 80)
    print(hashlib.sha256(path.read_bytes()).hexdigest())
panels = figures.loss_panels(sample_reports.loss()) | figures.distribution_panels(sample_reports.distributions())
print(hashlib.sha256("".join(panels.values()).encode()).hexdigest())
"""


def png_chunks(data: bytes) -> list[bytes]:
    names, position = [], 8
    while position < len(data):
        (length,) = struct.unpack(">I", data[position : position + 4])
        names.append(data[position + 4 : position + 8])
        position += length + 12
    return names


@pytest.mark.slow
def test_another_process_draws_the_same_bytes(tmp_path, monkeypatch, capsys):
    command = [sys.executable, "-c", DRAW, str(tmp_path / "other.png")]
    environment = os.environ | {"PYTHONHASHSEED": "1", "PYTHONPATH": str(ROOT)}  # here it is random
    other = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True).stdout
    monkeypatch.setattr(sys, "argv", ["-c", str(tmp_path / "this.png")])
    exec(DRAW, {})
    assert capsys.readouterr().out == other
    assert set(png_chunks((tmp_path / "this.png").read_bytes())) <= {b"IHDR", b"pHYs", b"IDAT", b"IEND"}


def test_panels_take_every_colour_from_the_page_and_have_no_unused_ids():
    panels = figures.loss_panels(sample_reports.loss()) | figures.distribution_panels(sample_reports.distributions())
    assert set(panels) == {"total", "fields", "pitch", "step", "duration", "velocity"}
    for panel in panels.values():
        root = ElementTree.fromstring(panel)
        ids = [element.get("id") for element in root.iter() if element.get("id")]
        assert len(set(ids)) == len(ids)
        style = " ".join(element.get("style", "") for element in root.iter())
        assert "#" not in style.replace("url(#", "") and "font-family" not in style and "var(--" in style
        assert all(f"#{name}" in panel for name in ids)
        assert root.get("width") is None and root.get("viewBox")
    assert "continuation" in panels["total"]  # text, not outlines
