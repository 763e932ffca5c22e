"""Melody: motifs laid over the chords, bar by bar, with repetition, sequence, variation and cadence."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from stages.etudes.dice import Dice
from stages.etudes.harmony import Chord, Harmony, Key
from stages.etudes.score import Note
from stages.etudes.style import ARCS, CADENCES, PERIODS, PLANS, RHYTHMS, SIXTEENTH, Character

ANSWER = 52
"""MIDI number around which the lower voice of an invention begins."""


@dataclass(frozen=True)
class Motif:
    """A bar of melody in outline, which can be laid over any chord."""

    rhythm: tuple[int, ...]  # sixteenths, negative for rests
    contour: tuple[int, ...]  # steps above the bar's level, for each of eight eighths
    filling: str  # how unaccented notes join the accented ones: steps, neighbours or arpeggio


@dataclass(frozen=True)
class Theme:
    """What the sections of one letter have in common: phrases of four bars, the fourth a cadence."""

    key: Key
    phrases: tuple[str, ...]  # their chords, one of PERIODS
    plan: str  # one of PLANS
    arcs: tuple[tuple[int, ...], ...]  # for each phrase, one of ARCS
    motifs: dict[str, Motif]  # by letter of the plan
    cadences: tuple[Motif, ...]  # for each phrase


@dataclass(frozen=True)
class Outlined:
    """A note on the way to a melody; `step` is None where a filling is to come."""

    start: int
    end: int
    step: int | None
    filling: str


def draw_theme(character: Character, key: Key, dice: Dice) -> Theme:
    phrases = dice.pick(PERIODS.get(f"{character.family} {key.mode}", PERIODS[key.mode]))
    opening = dice.pick(ARCS)
    # Antecedent and consequent begin alike; the last climbs higher and comes home.
    arcs = (*((opening,) * (len(phrases) - 1)), (*opening[:2], opening[2] + 1, 0))
    rhythms = RHYTHMS[character.rhythms]
    motifs = {name: Motif(dice.pick(rhythms), _contour(dice), dice.pick(character.fillings)) for name in "ab"}
    endings = CADENCES[character.metre[0]]
    cadences = tuple(Motif(dice.pick(endings), _contour(dice), "steps") for _ in phrases)
    return Theme(key, phrases, dice.pick(PLANS), arcs, motifs, cadences)


def _contour(dice: Dice) -> tuple[int, ...]:
    contour = [0]
    while len(contour) < 8:
        contour.append(max(-3, min(4, contour[-1] + dice.pick((-2, -1, -1, 1, 1, 2)))))
    return tuple(contour)


def melody(
    theme: Theme, character: Character, harmony: Harmony, start: int, heard: int, dice: Dice, answer: bool = False
) -> list[Note]:
    """The theme's melody from tick `start`, varied and doubled according to how often it has been `heard` before.

    With `answer` it is the lower voice of an invention: the motifs come a bar later, over the chords' roots.
    """
    outline = _outline(theme, character, harmony, start, answer)
    if heard:
        outline = _varied(outline, theme, character, harmony, start, dice)
    steps = _filled(outline, harmony)
    notes = []
    for place, step in zip(outline, steps, strict=True):
        current = harmony.at(place.start).chord
        notes.append(Note(place.start, place.end, current.pitch(step), "bass" if answer else "melody"))
        doubling = character.doublings[min(heard, len(character.doublings) - 1)]
        if doubling == "octaves":
            notes.append(Note(place.start, place.end, current.pitch(step) + 12, "melody"))
        elif doubling == "thirds" and place.end - place.start > SIXTEENTH:
            below = step - 2 if place.step is None or current.holds(step - 2) else current.climb(step, -1)
            notes.append(Note(place.start, place.end, current.pitch(below), "doubling"))
    return notes


def _outline(theme: Theme, character: Character, harmony: Harmony, start: int, answer: bool) -> list[Outlined]:
    """The rhythm, and a chord note for every place that is on the beat or lasts as long as one."""
    centre = ANSWER if answer else character.centre
    outline = []
    last_wish, last_step = 0, None  # steps above the centre; steps
    for number in range(4 * len(theme.phrases)):
        phrase, bar = divmod(number, 4)
        arc, tick, cadence = theme.arcs[phrase], start + number * character.bar, bar == 3
        motif = theme.cadences[phrase] if cadence else _motif(theme, bar - answer)
        for onset, end in _onsets(motif.rhythm, tick, harmony):
            step = None
            if (onset - tick) % character.beat == 0 or end - onset >= character.beat:
                low, high = -3, 7
                if bar == 2 and onset - tick >= character.bar // 2:  # no great leap into the cadence
                    low, high = arc[3] - 2, arc[3] + 2
                wish = max(low, min(high, arc[bar] + motif.contour[(onset - tick) // (2 * SIXTEENTH)]))
                current = harmony.at(onset).chord
                step = current.nearest(current.step(centre) + wish)
                if step == last_step and wish != last_wish:  # a line that moves must not be snapped to a standstill
                    step = current.climb(step, 1 if wish > last_wish else -1)
                if onset == tick and cadence and current.members[0] == 0:
                    step = 7 * ((step + 3) // 7)  # the tonic
                elif onset == tick and answer:
                    step = next(low for low in range(step + 1, step - 7, -1) if low % 7 == current.members[0])
                last_wish, last_step = wish, step
            outline.append(Outlined(onset, end, step, motif.filling))
    return outline


def _motif(theme: Theme, bar: int) -> Motif:
    # Before its first bar an answer has nothing to repeat but a cadence; it begins with the second motif instead.
    return theme.motifs.get(theme.plan[bar], theme.motifs["b"])


def _onsets(rhythm: tuple[int, ...], tick: int, harmony: Harmony) -> Iterator[tuple[int, int]]:
    """Start and end of a bar's notes, cut where the chord changes under them."""
    for length in rhythm:
        start, tick = tick, tick + abs(length) * SIXTEENTH
        if length > 0:
            change = harmony.at(start).end
            yield from [(start, change), (change, tick)] if change < tick else [(start, tick)]


def _varied(
    outline: Sequence[Outlined], theme: Theme, character: Character, harmony: Harmony, start: int, dice: Dice
) -> list[Outlined]:
    """Some of the long notes outside the cadences give half of their time to two others."""
    result = []
    for place in outline:
        cadence = (place.start - start) // character.bar % len(theme.plan) == 3
        if place.step is None or cadence or place.end - place.start < 4 * SIXTEENTH or not dice.chance(0.3):
            result.append(place)
            continue
        half, rest = (place.start + place.end) // 2, (place.start + 3 * place.end) // 4
        neighbour = harmony.at(place.start).chord.climb(place.step, dice.pick((-1, 1)))
        result.append(replace(place, end=half))
        for onset, end in ((half, rest), (rest, place.end)):
            accented = onset % character.beat == 0
            result.append(Outlined(onset, end, neighbour if accented else None, place.filling))
    return result


def _filled(outline: Sequence[Outlined], harmony: Harmony) -> list[int]:
    """The outline's steps, those found that were open."""
    steps = [place.step for place in outline]
    fixed = [index for index, step in enumerate(steps) if step is not None]
    for left, right in pairwise([*fixed, len(steps)]):
        goal = steps[right] if right < len(steps) else steps[left]
        place = outline[left]
        steps[left + 1 : right] = join(
            steps[left], goal, right - left - 1, place.filling, harmony.at(place.start).chord
        )
    first = fixed[0]  # an upbeat climbs to the first accent
    steps[:first] = range(steps[first] - first, steps[first])
    return steps


def join(left: int, right: int, count: int, filling: str, current: Chord) -> list[int]:
    """`count` steps on the way from the step `left` to the step `right`, neither included."""
    way = 1 if right >= left else -1
    if filling == "arpeggio":
        return [current.climb(left, way * (index if index <= 2 else 4 - index)) for index in range(1, count + 1)]
    if filling == "neighbours" and abs(right - left) <= 2:
        return [left + way * (index % 2) for index in range(1, count + 1)]
    return [right - way * (count + 1 - index) for index in range(1, count + 1)]
