"""Keys, chords and what sounds when.

Melody and accompaniment are thought in *steps* of the scale, seven an octave, step 35 being the tonic in the octave of
middle C. A chord turns steps into MIDI numbers, so that its accidentals (the leading note of a minor key, the third of
a secondary dominant) hold for every voice while it sounds.
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
"""Semitones above the tonic."""


@dataclass(frozen=True)
class Key:
    """A tonic and a mode."""

    tonic: int  # pitch class, 0 is C
    mode: str


@dataclass(frozen=True)
class Chord:
    """A chord in its key, and the scale that goes with it."""

    key: Key
    members: tuple[int, ...]  # steps 0 to 6 of its root, third, fifth, (seventh)
    offsets: tuple[int, ...]  # semitones above the tonic of steps 0 to 6 while it sounds
    inversion: int  # which member is in the bass

    def pitch(self, step: int) -> int:
        """MIDI number of a step of the scale."""
        return 12 * (step // 7) + self.key.tonic + self.offsets[step % 7]

    def step(self, pitch: int) -> int:
        """The step of the scale at a MIDI number or next to it."""
        return ((pitch - self.key.tonic) * 7 + 6) // 12

    def holds(self, step: int) -> bool:
        """Whether a step belongs to the chord."""
        return step % 7 in self.members

    def nearest(self, step: int) -> int:
        """The chord's own step nearest to `step`; of two, the lower."""
        return next(near for near in (step, step - 1, step + 1, step - 2, step + 2) if self.holds(near))

    def climb(self, step: int, count: int) -> int:
        """The chord's `count`th own step above `step`, or below if negative."""
        for _ in range(abs(count)):
            step += 1 if count > 0 else -1
            while not self.holds(step):
                step += 1 if count > 0 else -1
        return step


DEGREES = ("I", "II", "III", "IV", "V", "VI", "VII")
NUMERAL = re.compile(r"([b#]?)([iv]+|[IV]+)(maj7|ø|o)?(7|65|43|42|64|6)?(?:/([iIvV]+))?")
INVERSIONS = {"6": 1, "64": 2, "65": 1, "43": 2, "42": 3}


def chord(numeral: str, key: Key) -> Chord:
    """A chord from its Roman numeral: `ii6`, `V7/vi` (a dominant of the sixth degree), `viio7`, `bII`, `Imaj7`, ...

    Capitals stand for major triads and dominant sevenths, small letters for minor ones, o for diminished, ø for
    half-diminished; figures for inversions; b and # lower and raise the root.
    """
    sign, roman, quality, figure, target = NUMERAL.fullmatch(numeral).groups()
    step, scale = DEGREES.index(roman.upper()), MODES[key.mode]
    root = scale[step] + {"b": -1, "#": 1, "": 0}[sign]
    if target:  # the degree is counted in the major scale upon the target
        tonic = DEGREES.index(target.upper())
        root, step = scale[tonic] + MODES["major"][step], tonic + step
    third = 4 if roman.isupper() else 3
    intervals = (0, third, 6 if quality in ("o", "ø") else 7)
    if quality == "maj7" or figure in ("7", "65", "43", "42"):
        intervals += ({"maj7": 11, "o": 9}.get(quality, 10),)
    offsets = list(scale)
    for member, interval in enumerate(intervals):
        octave, degree = divmod(step + 2 * member, 7)
        offsets[degree] = root + interval - 12 * octave
    members = tuple((step + 2 * member) % 7 for member in range(len(intervals)))
    return Chord(key, members, tuple(offsets), INVERSIONS.get(figure, 0))


@dataclass(frozen=True)
class Span:
    """A chord from `start` to `end`, ticks."""

    start: int
    end: int
    chord: Chord


class Harmony(tuple[Span, ...]):
    """The spans of a piece, one after another without gaps."""

    def at(self, tick: int) -> Span:
        """The span that a tick lies in."""
        return self[bisect_right(self, tick, key=lambda span: span.start) - 1]
