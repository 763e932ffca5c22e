"""Playing: from a score to what a player's hands and feet do."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from stages.etudes.dice import Dice
from stages.etudes.score import Note, Score
from stages.etudes.style import QUARTER, Character

LEAD_IN = QUARTER // 2
"""Ticks before the first beat: what is struck early must not come before the file's beginning."""

LEAD = {"melody": -14, "doubling": -6, "bass": -3, "inner": 3}
"""ms by which voices are late. Pianists play the melody ahead (Goebl, Melody lead in piano performance, 2001)."""

LEVEL = {"melody": 0, "doubling": -13, "bass": -10, "inner": -16}
"""Velocity of the voices beside the melody's."""


@dataclass(frozen=True)
class Played:
    """A key's way down and up."""

    start: int  # ticks
    end: int
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Performance:
    title: str
    metre: tuple[int, int]
    notes: tuple[Played, ...]  # by start, pitch; no key is struck while it is down
    pedal: tuple[tuple[int, int], ...]  # tick, value of controller 64; the last lifts it after the last note
    tempi: tuple[tuple[int, int], ...]  # tick, microseconds a quarter note from there on

    @property
    def seconds(self) -> float:
        """Until the pedal is lifted for good."""
        changes = [*self.tempi, (self.pedal[-1][0], 0)]
        return sum((end - start) * tempo for (start, tempo), (end, _) in pairwise(changes)) / (QUARTER * 1_000_000)


def perform(score: Score) -> Performance:
    """Play with rubato, phrasing and accents, the melody above and ahead of the rest, hands not quite together.

    Like composing, this adds, multiplies and rounds only, so that no machine's mathematical library shows.
    """
    dice = Dice("performance of", score.title)
    character = score.character
    quarters = score.tempo * character.beat // QUARTER  # a minute
    millisecond = QUARTER * quarters / 60_000  # ticks, at the basic tempo
    played = []
    for note in score.notes:
        late = LEAD[note.voice] + dice.wobble(12)
        touch = character.touch[0 if note.voice in ("melody", "doubling") else 1] + dice.wobble(0.12)
        if note.start == score.ending:
            late, touch = late + 4 * (note.pitch - 36), 1  # rolled and held
        beginning, end = _swung(note.start, character), _swung(note.end, character)
        start = LEAD_IN + beginning + round(late * millisecond)
        held = max((end - beginning) * touch, 40 * millisecond)
        played.append(Played(start, start + round(held), note.pitch, _velocity(note, score, dice)))
    notes = _released(played, round(8 * millisecond))
    pedal = _pedal(score, max(note.end for note in notes), millisecond, dice)
    return Performance(score.title, character.metre, notes, pedal, _tempi(score, 60_000_000 / quarters, dice))


def _swung(tick: int, character: Character) -> int:
    """With swing, the second eighth of a quarter moves from the half to two thirds."""
    if not character.swing:
        return tick
    quarter, rest = divmod(tick, QUARTER)
    return quarter * QUARTER + (rest * 4 // 3 if 2 * rest <= QUARTER else (QUARTER + rest * 2) // 3)


def _velocity(note: Note, score: Score, dice: Dice) -> int:
    character = score.character
    phrase, share = score.phrase_at(note.start)
    level = phrase.levels[0] + (phrase.levels[1] - phrase.levels[0]) * share
    level += 10 * (1 - _square((share - 0.6) / 0.6))  # a phrase swells until past its middle and falls off
    level += LEVEL[note.voice]
    if note.voice == "melody":
        level += (note.pitch - character.centre) / 2
    beat, rest = divmod(note.start % character.bar, character.beat)
    level += -3 if rest else 5 if beat == 0 else 8 if beat == character.stress else 2
    return max(18, min(120, round(level + dice.wobble(8))))


def _released(played: Iterable[Played], gap: int) -> tuple[Played, ...]:
    """A key comes up a `gap` before it is struck again; what would repeat it too fast is left out."""
    kept = {}
    for note in sorted(played, key=lambda note: (note.start, note.pitch)):
        row = kept.setdefault(note.pitch, [])
        if row and note.start - row[-1].start < 6 * gap:
            continue
        if row:
            before = row[-1]
            row[-1] = Played(before.start, min(before.end, note.start - gap), before.pitch, before.velocity)
        row.append(note)
    notes = (note for row in kept.values() for note in row)
    return tuple(sorted(notes, key=lambda note: (note.start, note.pitch)))


def _pedal(score: Score, last: int, millisecond: float, dice: Dice) -> tuple[tuple[int, int], ...]:
    """Legato pedalling: up just after a chord is struck, down again while its keys are held."""
    events, down = [(0, 0)], False
    for span in score.harmony:
        onset = LEAD_IN + span.start
        if down:
            events.append((onset + round((25 + dice.wobble(15)) * millisecond), 0))
        down = span.start == score.ending or dice.chance(score.character.pedal)
        if down:
            events.append((onset + round((120 + dice.wobble(30)) * millisecond), 90 + dice.below(38)))
    return (*events, (last + round(300 * millisecond), 0))


def _tempi(score: Score, normal: float, dice: Dice) -> tuple[tuple[int, int], ...]:
    """A tempo for every beat: phrases flow in the middle and yield at the ends; the last three bars slow down."""
    character = score.character
    closing, end = score.ending - 2 * character.bar, score.harmony[-1].end
    tempi, drift = [(0, round(normal))], 0.0
    for tick in range(0, end, character.beat):
        _, share = score.phrase_at(tick)
        bow = _square(2 * share - 1) * (0.5 if share < 0.5 else 1)
        drift = 0.7 * drift + dice.wobble(character.rubato / 4)
        slower = 1 + character.rubato * (bow - 0.25) + drift
        if tick >= closing:
            slower += 0.45 * _square((tick - closing) / (end - closing))
        tempi.append((LEAD_IN + tick, round(normal * slower)))
    return tuple(tempi)


def _square(number: float) -> float:
    return number * number  # ** asks the mathematical library
