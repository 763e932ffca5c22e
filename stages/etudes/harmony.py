"""Keys, chords and chord progressions in time.

Melody and accompaniment are composed in scale degrees, which are counted on through the octaves, seven per octave:
degree 35 is the tonic in the octave of middle C. A chord maps degrees to MIDI numbers, so that its accidentals (the
leading note of a minor key, the third of a secondary dominant) apply to every voice while it sounds.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass

MODES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}
"""Semitones of degrees 0 to 6 above the tonic."""


@dataclass(frozen=True)
class Key:
    """A tonic and a mode."""

    tonic: int  # pitch class, 0 is C
    mode: str  # one of MODES


@dataclass(frozen=True)
class Chord:
    """A chord in its key, with the scale used while it sounds."""

    key: Key
    members: tuple[int, ...]  # degrees 0 to 6 of its root, third, fifth, (seventh)
    offsets: tuple[int, ...]  # semitones of degrees 0 to 6 above the tonic while it sounds
    inversion: int  # index of the member in the bass

    def pitch(self, degree: int) -> int:
        """Return the MIDI number of a degree."""
        return 12 * (degree // 7) + self.key.tonic + self.offsets[degree % 7]

    def degree(self, pitch: int) -> int:
        """Return the degree at a MIDI number or next to it."""
        return ((pitch - self.key.tonic) * 7 + 6) // 12

    def contains(self, degree: int) -> bool:
        """Return whether a degree is a chord tone."""
        return degree % 7 in self.members

    def nearest_tone(self, degree: int) -> int:
        """Return the chord tone nearest to a degree; of two, the lower one."""
        return next(near for near in (degree, degree - 1, degree + 1, degree - 2, degree + 2) if self.contains(near))

    def tone_above(self, degree: int, count: int) -> int:
        """Return the `count`th chord tone above a degree, or below it if `count` is negative."""
        for _ in range(abs(count)):
            degree += 1 if count > 0 else -1
            while not self.contains(degree):
                degree += 1 if count > 0 else -1
        return degree


ROMAN_NUMERALS = ("I", "II", "III", "IV", "V", "VI", "VII")
CHORD_SYMBOL = re.compile(r"([b#]?)([iv]+|[IV]+)(maj7|ø|o)?(7|65|43|42|64|6)?(?:/([iIvV]+))?")
INVERSIONS = {"6": 1, "64": 2, "65": 1, "43": 2, "42": 3}


def chord(symbol: str, key: Key) -> Chord:
    """Return the chord for a Roman numeral.

    Args:
        symbol: such as `ii6`, `V7/vi` (dominant of the sixth degree), `viio7`, `bII` or `Imaj7`. Capitals stand for
            major triads and dominant sevenths, small letters for minor ones, o for diminished, ø for half-diminished,
            figures for inversions; b and # lower and raise the root by a semitone.
        key: the key it is in.

    Raises:
        ValueError: the symbol is not of this form.
    """
    match = CHORD_SYMBOL.fullmatch(symbol)
    if match is None:
        raise ValueError(f"not a chord symbol: {symbol}")
    accidental, roman, quality, figure, target = match.groups()
    degree, scale = ROMAN_NUMERALS.index(roman.upper()), MODES[key.mode]
    root = scale[degree] + {"b": -1, "#": 1, "": 0}[accidental]
    if target:  # the degree is one of the major scale on the target
        tonic = ROMAN_NUMERALS.index(target.upper())
        root, degree = scale[tonic] + MODES["major"][degree], tonic + degree
    third = 4 if roman.isupper() else 3
    intervals: tuple[int, ...] = (0, third, 6 if quality in ("o", "ø") else 7)
    if quality == "maj7" or figure in ("7", "65", "43", "42"):
        intervals += ({"maj7": 11, "o": 9}.get(quality, 10),)
    offsets = list(scale)
    for member, interval in enumerate(intervals):
        octave, degree_in_octave = divmod(degree + 2 * member, 7)
        offsets[degree_in_octave] = root + interval - 12 * octave
    members = tuple((degree + 2 * member) % 7 for member in range(len(intervals)))
    return Chord(key, members, tuple(offsets), INVERSIONS.get(figure, 0))


@dataclass(frozen=True)
class Span:
    """A chord and how long it lasts."""

    start: int  # ticks
    end: int  # ticks
    chord: Chord


class Harmony(tuple[Span, ...]):
    """The chord progression of a piece: spans in order, without gaps."""

    def at(self, tick: int) -> Span:
        """Return the span that a tick lies in."""
        return self[bisect_right(self, tick, key=lambda span: span.start) - 1]
