"""Composing: from a character and a number to a score, exactly in time."""

from collections.abc import Sequence

from stages.etudes.accompaniment import accompaniment, last_chord, walking_bass
from stages.etudes.dice import Dice
from stages.etudes.harmony import Harmony, Key, Span, chord
from stages.etudes.melody import Theme, draw_theme, melody
from stages.etudes.score import Note, Phrase, Score
from stages.etudes.style import DYNAMICS, MINOR_TONICS, NEAR_KEYS, PATTERNS, TONICS, Character


def compose(character: Character, number: int) -> Score:
    """The `number`th piece of a character. It does not depend on which others are composed."""
    dice = Dice(character.name, number)
    home = Key(dice.below(12), character.modes[(number - 1) % len(character.modes)])
    form = character.forms[(number - 1) % len(character.forms)]
    slowest, fastest = character.tempo
    tempo = slowest + dice.below(fastest - slowest + 1)
    themes = {letter: draw_theme(character, _key(letter, home, dice), dice) for letter in sorted(set(form))}
    sections = [themes[letter] for letter in form]

    harmony = _harmony(sections, home, character)
    phrases = _phrases(sections, character, dice)
    notes, tick = [], 0
    for index, (letter, theme) in enumerate(zip(form, sections, strict=True)):
        end = tick + 4 * len(theme.phrases) * character.bar
        if character.rhythms != "none":
            notes += melody(theme, character, harmony, tick, form[:index].count(letter), dice)
        pattern = character.patterns["ABC".index(letter) % len(character.patterns)]
        if pattern == "imitation":
            notes += melody(theme, character, harmony, tick, 0, dice, answer=True)
        elif pattern == "walking":
            notes += walking_bass(harmony, tick, end)
        else:
            notes += accompaniment(PATTERNS[pattern], harmony, tick, end)
        tick = end
    notes += last_chord(harmony)

    tonic = (TONICS if home.mode in ("major", "mixolydian") else MINOR_TONICS)[home.tonic]
    title = f"{character.name} No. {number} in {tonic} {home.mode}"
    return Score(title, character, home, tempo, harmony, phrases, _once_a_key(notes), tick)


def _key(letter: str, home: Key, dice: Dice) -> Key:
    if letter == "A":
        return home
    up, mode = dice.pick(NEAR_KEYS[home.mode])
    return Key((home.tonic + up) % 12, mode)


def _harmony(sections: Sequence[Theme], home: Key, character: Character) -> Harmony:
    """All chords: the sections', a dominant that leads from each to the next one's key, and the last tonic."""
    spans, tick = [], 0
    for theme, following in zip(sections, [*sections[1:], None], strict=True):
        bars = [bar.split() for phrase in theme.phrases for bar in phrase.split("|")]
        chords = [[chord(numeral, theme.key) for numeral in bar] for bar in bars]
        if following and following.key != theme.key:
            chords[-1] = [chords[-1][0], chord("V7", following.key)]
        for in_bar in chords:
            # Two chords share three beats as two and one.
            first = (character.bar // character.beat + 1) // 2 * character.beat
            lengths = [first, character.bar - first] if len(in_bar) == 2 else [character.bar]
            for length, current in zip(lengths, in_bar, strict=True):
                spans.append(Span(tick, tick + length, current))
                tick += length
    tonic = chord("I" if home.mode in ("major", "mixolydian") else "i", home)
    return Harmony([*spans, Span(tick, tick + character.bar, tonic)])


def _phrases(sections: Sequence[Theme], character: Character, dice: Dice) -> tuple[Phrase, ...]:
    """Each section grows or fades to a level of its own, by phrases; the last chord belongs to the last one."""
    phrases, tick, level = [], 0, DYNAMICS[character.dynamics[0]]
    for index, theme in enumerate(sections):
        last = index == len(sections) - 1
        others = [name for name in character.dynamics if DYNAMICS[name] != level]
        goal = DYNAMICS[character.finish if last else dice.pick(others)]
        for remaining in range(len(theme.phrases), 0, -1):
            reached = level + (goal - level) // remaining
            end = tick + (5 if last and remaining == 1 else 4) * character.bar
            phrases.append(Phrase(tick, end, (level, reached)))
            tick, level = end, reached
    return tuple(phrases)


def _once_a_key(notes: Sequence[Note]) -> tuple[Note, ...]:
    """Sorted; of notes that strike a key together the melody's is kept, else the bass."""
    ranks = ("melody", "doubling", "bass", "inner")
    kept = {}
    for note in sorted(notes, key=lambda note: (note.start, ranks.index(note.voice), -note.end)):
        kept.setdefault((note.start, note.pitch), note)
    return tuple(sorted(kept.values(), key=lambda note: (note.start, note.pitch)))
