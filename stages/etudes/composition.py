"""Composing of pieces: from a character and a number to a score."""

from collections.abc import Sequence

from stages.etudes.accompaniment import accompaniment, final_chord, walking_bass
from stages.etudes.harmony import Harmony, Key, Span, chord
from stages.etudes.melody import Section, Theme, draw_theme, melody
from stages.etudes.rng import Rng
from stages.etudes.score import Note, Phrase, Score
from stages.etudes.style import DYNAMICS, MINOR_TONICS, NEAR_KEYS, PATTERNS, TONICS, Character

VOICE_PRIORITY = ("melody", "doubling", "bass", "inner")
"""Which of several notes with the same onset and pitch is kept: the first of these."""


def compose(character: Character, number: int) -> Score:
    """Compose a piece, which does not depend on the other pieces.

    Args:
        character: what kind of piece.
        number: which one of this kind, from 1.
    """
    rng = Rng(character.name, number)
    home = Key(rng.integer(12), character.modes[(number - 1) % len(character.modes)])
    form = character.forms[(number - 1) % len(character.forms)]
    slowest, fastest = character.tempo
    tempo = slowest + rng.integer(fastest - slowest + 1)
    theme_of = {letter: draw_theme(character, _draw_key(letter, home, rng), rng) for letter in sorted(set(form))}
    themes = [theme_of[letter] for letter in form]

    harmony = _compose_harmony(themes, home, character)
    phrases = _draw_phrases(themes, character, rng)
    notes, tick = [], 0
    for index, theme in enumerate(themes):
        section, end = Section(theme, character, harmony, tick), tick + 4 * len(theme.phrases) * character.bar
        notes += _compose_section(section, end, form, index, rng)
        tick = end
    notes += final_chord(harmony)

    tonic = (TONICS if home.mode in ("major", "mixolydian") else MINOR_TONICS)[home.tonic]
    title = f"{character.name} No. {number} in {tonic} {home.mode}"
    return Score(title, character, home, tempo, harmony, phrases, _remove_duplicates(notes), tick)


def _compose_section(section: Section, end: int, form: str, index: int, rng: Rng) -> list[Note]:
    """Compose melody and accompaniment of section `index` of a form, up to the tick `end`."""
    character, letter = section.character, form[index]
    notes = []
    if character.rhythms != "none":
        notes += melody(section, form[:index].count(letter), rng)
    pattern = character.patterns["ABC".index(letter) % len(character.patterns)]
    if pattern == "imitation":
        notes += melody(section, 0, rng, answer=True)
    elif pattern == "walking":
        notes += walking_bass(section.harmony, section.start, end)
    else:
        notes += accompaniment(PATTERNS[pattern], section.harmony, section.start, end)
    return notes


def _draw_key(letter: str, home: Key, rng: Rng) -> Key:
    if letter == "A":
        return home
    semitones, mode = rng.choice(NEAR_KEYS[home.mode])
    return Key((home.tonic + semitones) % 12, mode)


def _compose_harmony(themes: Sequence[Theme], home: Key, character: Character) -> Harmony:
    """Join the chords of all sections; a dominant leads to a section in another key, and the tonic ends the piece."""
    spans, tick = [], 0
    for theme, next_theme in zip(themes, [*themes[1:], None], strict=True):
        bars = [bar.split() for phrase in theme.phrases for bar in phrase.split("|")]
        chords = [[chord(symbol, theme.key) for symbol in bar] for bar in bars]
        if next_theme and next_theme.key != theme.key:
            chords[-1] = [chords[-1][0], chord("V7", next_theme.key)]
        for bar_chords in chords:
            # Two chords divide three beats into two and one.
            first = (character.bar // character.beat + 1) // 2 * character.beat
            lengths = [first, character.bar - first] if len(bar_chords) == 2 else [character.bar]
            for length, current in zip(lengths, bar_chords, strict=True):
                spans.append(Span(tick, tick + length, current))
                tick += length
    tonic = chord("I" if home.mode in ("major", "mixolydian") else "i", home)
    return Harmony([*spans, Span(tick, tick + character.bar, tonic)])


def _draw_phrases(themes: Sequence[Theme], character: Character, rng: Rng) -> tuple[Phrase, ...]:
    """Draw the dynamic that each section reaches, phrase by phrase; the last phrase includes the final chord."""
    phrases, tick, level = [], 0, DYNAMICS[character.dynamics[0]]
    for index, theme in enumerate(themes):
        last = index == len(themes) - 1
        others = [name for name in character.dynamics if DYNAMICS[name] != level]
        goal = DYNAMICS[character.final_dynamic if last else rng.choice(others)]
        for remaining in range(len(theme.phrases), 0, -1):
            next_level = level + (goal - level) // remaining
            end = tick + (5 if last and remaining == 1 else 4) * character.bar
            phrases.append(Phrase(tick, end, (level, next_level)))
            tick, level = end, next_level
    return tuple(phrases)


def _remove_duplicates(notes: Sequence[Note]) -> tuple[Note, ...]:
    """Sort notes, and keep one of those with the same onset and pitch: by voice, then the longest."""
    unique: dict[tuple[int, int], Note] = {}
    for note in sorted(notes, key=lambda note: (note.start, VOICE_PRIORITY.index(note.voice), -note.end)):
        unique.setdefault((note.start, note.pitch), note)
    return tuple(sorted(unique.values(), key=lambda note: (note.start, note.pitch)))
