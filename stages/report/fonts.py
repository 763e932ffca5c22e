"""Fonts for text in any writing system: the one that comes with matplotlib, then those of the machine."""

import functools
from dataclasses import dataclass

from matplotlib import font_manager

MAIN_FONT = "DejaVu Sans"
"""Comes with matplotlib: the same glyphs everywhere. It has Latin, Greek, Cyrillic, Hebrew, Arabic and more."""

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

LAST_RESORT = "Last Resort"
"""Begin of the names of fonts that have a glyph for every character, but one that only says what it would be."""


@dataclass(frozen=True)
class DrawableText:
    """Text that can be drawn here.

    Attributes:
        text: the text, in which REPLACEMENT stands for each character that no font has.
        families: the fonts to draw it with, in order of preference.
        missing: the characters that no font has, each once.
    """

    text: str
    families: tuple[str, ...]
    missing: str


@functools.lru_cache
def make_drawable(text: str) -> DrawableText:
    """Find fonts for a text, as few as possible; only what MAIN_FONT lacks is looked for elsewhere."""
    families = [MAIN_FONT]
    missing = set(text) - _characters(font_manager.findfont(MAIN_FONT))
    if missing:
        fonts = {entry.name: entry.fname for entry in font_manager.fontManager.ttflist if _is_regular(entry)}
        found = {name: missing & _characters(fonts[name]) for name in sorted(fonts)}
        while missing and (best := max(found, key=lambda name: len(found[name] & missing), default=None)):
            if not found[best] & missing:
                break
            families.append(best)
            missing -= found[best]
    drawable = "".join(REPLACEMENT if character in missing else character for character in text)
    return DrawableText(drawable, tuple(families), "".join(sorted(missing)))


def _is_regular(entry: font_manager.FontEntry) -> bool:
    return entry.style == "normal" and entry.weight in (400, "normal") and not entry.name.startswith(LAST_RESORT)


def _characters(path: str) -> set[str]:
    try:
        return set(map(chr, font_manager.get_font(path).get_charmap()))
    except (OSError, RuntimeError):  # removed since matplotlib listed it, or not readable
        return set()
