"""The figure of a piano roll shows every note."""

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.text import Text

from stages.report.roll_figure import draw_piano_roll
from stages.report.style import save_figure
from stages.samples.sample_set import Region
from tests.helpers import sample_reports


def bars(axes) -> list[PolyCollection]:
    return [artist for artist in axes.collections if isinstance(artist, PolyCollection)]


def test_a_roll_shows_every_note_at_its_time_pitch_and_velocity():
    notes = sample_reports.notes()
    axes = draw_piano_roll(notes, [Region("prompt", 0, 2)], 8, "A $x$ and $y$").axes[0]
    for artist, (_, part) in zip(bars(axes)[-2:], notes.groupby("generated"), strict=True):
        boxes = np.array([path.get_extents().bounds for path in artist.get_paths()])  # left, bottom, width, height
        assert boxes[:, 0] == pytest.approx(part["start"])
        assert boxes[:, 2] == pytest.approx(part["sounding_duration"])
        assert boxes[:, 1] + boxes[:, 3] / 2 == pytest.approx(part["pitch"])
        assert list(artist.get_array()) == list(part["velocity"])
    assert axes.get_xlim() == (0, 8) and axes.get_xlabel() == "Time (s)"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["C2", "C3", "C4", "C5"]
    assert "prompt" in [text.get_text() for text in axes.texts]
    [title] = [text for text in axes.findobj(Text) if text.get_text() == "A $x$ and $y$"]
    assert not title.get_parse_math()


def test_the_higher_the_velocity_the_darker_the_note():
    axes = draw_piano_roll(sample_reports.notes(), [], 8).axes[0]
    for artist in bars(axes)[-2:]:
        luminance = artist.to_rgba(np.arange(1, 128))[:, :3] @ [0.2126, 0.7152, 0.0722]
        assert (np.diff(luminance) < 0).all()


def test_a_roll_without_notes_is_empty_not_an_error(tmp_path):
    save_figure(draw_piano_roll(sample_reports.notes().head(0), [], 0), tmp_path / "roll.png", 50)
