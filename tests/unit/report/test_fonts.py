"""Titles in any writing system are drawn with the fonts that there are, or a word is said."""

import warnings

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager

from stages.report import fonts
from stages.report.roll_figure import draw_piano_roll
from stages.report.style import save_figure
from tests.helpers import sample_reports


def make_font(path, name, characters):
    """Write a font in which each of the characters is a black square, and make it known to matplotlib."""
    pen = TTGlyphPen(None)
    for move, corner in zip((pen.moveTo, *[pen.lineTo] * 3), ((0, 0), (0, 900), (900, 900), (900, 0)), strict=True):
        move(corner)
    pen.closePath()
    square, names = pen.glyph(), [".notdef", *(f"u{ord(character):04x}" for character in characters)]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(character): f"u{ord(character):04x}" for character in characters})
    builder.setupGlyf(dict.fromkeys(names, square))
    builder.setupHorizontalMetrics(dict.fromkeys(names, (1000, 0)))
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable({"familyName": name, "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    font_manager.fontManager.addfont(path)


@pytest.fixture(autouse=True)
def only_the_fonts_of_matplotlib(monkeypatch):
    """Whatever fonts this machine has."""
    own = [entry for entry in font_manager.fontManager.ttflist if "mpl-data" in entry.fname]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
    fonts.make_drawable.cache_clear()
    yield
    fonts.make_drawable.cache_clear()


def test_latin_and_its_neighbours_need_no_other_font():
    text = "Dvořák, Скрябин, Σ, “Étude” № 1 — ♯"
    assert fonts.make_drawable(text) == fonts.DrawableText(text, ("DejaVu Sans",), "")


def test_what_no_font_has_is_replaced_and_named():
    assert fonts.make_drawable("月: 夜夜\n") == fonts.DrawableText(
        "\ufffd: \ufffd\ufffd\ufffd", ("DejaVu Sans",), "\n夜月"
    )


def test_as_few_fonts_as_possible_are_added(tmp_path):
    make_font(tmp_path / "a.ttf", "A", "夜")
    make_font(tmp_path / "b.ttf", "B", "夜曲한")
    make_font(tmp_path / "c.ttf", "C", "曲あ")
    assert fonts.make_drawable("夜曲 한 x") == fonts.DrawableText("夜曲 한 x", ("DejaVu Sans", "B"), "")
    assert fonts.make_drawable("夜曲한あ") == fonts.DrawableText("夜曲한あ", ("DejaVu Sans", "B", "C"), "")
    (tmp_path / "b.ttf").unlink()  # which matplotlib does not know yet
    font_manager._get_font.cache_clear()
    fonts.make_drawable.cache_clear()
    assert fonts.make_drawable("夜한").missing == "한"


@pytest.mark.parametrize("installed", [True, False])
def test_a_figure_is_drawn_without_a_warning(tmp_path, installed):
    if installed:
        make_font(tmp_path / "a.ttf", "A", "夜曲")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for title in ("夜曲", "曲", "\a夜"):
            save_figure(draw_piano_roll(sample_reports.notes(), [], 8, title), tmp_path / "roll.png", 50)
