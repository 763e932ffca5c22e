"""Composing of melodies: motifs placed on the chords, bar by bar, with repetition, sequence, variation and cadence."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from stages.etudes.harmony import Chord, Harmony, Key
from stages.etudes.rng import Rng
from stages.etudes.score import Note
from stages.etudes.style import (
    CADENCES,
    MOTIF_PLANS,
    PERIODS,
    PHRASE_ARCS,
    RHYTHMS,
    SIXTEENTH,
    Character,
)

ANSWER_CENTRE = 52
"""MIDI number around which the lower voice of an invention begins."""


@dataclass(frozen=True)
class Motif:
    """The outline of a bar of melody, which can be placed on any chord."""

    rhythm: tuple[int, ...]  # sixteenths, negative for rests
    contour: tuple[int, ...]  # degrees above the bar's level, for each of eight eighths
    figuration: str  # how unaccented notes connect the accented ones: "stepwise", "neighbours" or "arpeggio"


@dataclass(frozen=True)
class Theme:
    """What all sections of one letter have in common: phrases of four bars, the fourth being a cadence."""

    key: Key
    phrases: tuple[str, ...]  # their chords, one of PERIODS
    plan: str  # one of MOTIF_PLANS
    arcs: tuple[tuple[int, ...], ...]  # for each phrase, one of PHRASE_ARCS
    motifs: dict[str, Motif]  # by letter of the plan
    cadences: tuple[Motif, ...]  # for each phrase


@dataclass(frozen=True)
class Section:
    """A section of a piece: a theme at a place."""

    theme: Theme
    character: Character
    harmony: Harmony  # of the whole piece
    start: int  # ticks


@dataclass(frozen=True)
class OutlineNote:
    """A note of a melody in the making."""

    start: int  # ticks
    end: int  # ticks
    degree: int | None  # None for unaccented notes, which figuration fills in later
    figuration: str  # of its motif


def draw_theme(character: Character, key: Key, rng: Rng) -> Theme:
    """Draw a theme of a character at random."""
    phrases = rng.choice(PERIODS.get(f"{character.family} {key.mode}", PERIODS[key.mode]))
    opening = rng.choice(PHRASE_ARCS)
    # Antecedent and consequent begin alike; the last phrase climbs higher and returns.
    arcs = (*((opening,) * (len(phrases) - 1)), (*opening[:2], opening[2] + 1, 0))
    rhythms = RHYTHMS[character.rhythms]
    motifs = {name: Motif(rng.choice(rhythms), _draw_contour(rng), rng.choice(character.figurations)) for name in "ab"}
    endings = CADENCES[character.time_signature[0]]
    cadences = tuple(Motif(rng.choice(endings), _draw_contour(rng), "stepwise") for _ in phrases)
    return Theme(key, phrases, rng.choice(MOTIF_PLANS), arcs, motifs, cadences)


def _draw_contour(rng: Rng) -> tuple[int, ...]:
    contour = [0]
    while len(contour) < 8:
        contour.append(max(-3, min(4, contour[-1] + rng.choice((-2, -1, -1, 1, 1, 2)))))
    return tuple(contour)


def melody(section: Section, repetition: int, rng: Rng, answer: bool = False) -> list[Note]:
    """Compose the melody of a section.

    Args:
        section: the section.
        repetition: how many sections before had the same theme. Repetitions are varied, and doubled as the character
            says.
        rng: source of the variation.
        answer: whether to compose the lower voice of an invention instead: the motifs one bar later, on the roots of
            the chords.
    """
    harmony, doublings = section.harmony, section.character.doublings
    outline = _outline(section, answer)
    if repetition:
        outline = _vary(outline, section, rng)
    degrees = _fill_in_degrees(outline, harmony)
    doubling = doublings[min(repetition, len(doublings) - 1)]
    notes = []
    for note, degree in zip(outline, degrees, strict=True):
        current = harmony.at(note.start).chord
        notes.append(Note(note.start, note.end, current.pitch(degree), "bass" if answer else "melody"))
        if doubling == "octaves":
            notes.append(Note(note.start, note.end, current.pitch(degree) + 12, "melody"))
        elif doubling == "thirds" and note.end - note.start > SIXTEENTH:
            third_fits = note.degree is None or current.contains(degree - 2)
            below = degree - 2 if third_fits else current.tone_above(degree, -1)
            notes.append(Note(note.start, note.end, current.pitch(below), "doubling"))
    return notes


def _outline(section: Section, answer: bool) -> list[OutlineNote]:
    """Compose the rhythm, and a chord tone for every note that is on the beat or at least a beat long."""
    theme, beat = section.theme, section.character.beat
    centre = ANSWER_CENTRE if answer else section.character.centre
    outline = []
    last_target, last_degree = 0, None
    for number in range(4 * len(theme.phrases)):
        phrase, bar = divmod(number, 4)
        tick = section.start + number * section.character.bar
        motif = theme.cadences[phrase] if bar == 3 else _motif(theme, bar - answer)
        for onset, end in _onsets(motif.rhythm, tick, section.harmony):
            if (onset - tick) % beat and end - onset < beat:
                outline.append(OutlineNote(onset, end, None, motif.figuration))
                continue
            current = section.harmony.at(onset).chord
            target = _target(section, motif, number, onset - tick)
            degree = current.nearest_tone(current.degree(centre) + target)
            if degree == last_degree and target != last_target:  # rounding must not hold up a line that moves
                degree = current.tone_above(degree, 1 if target > last_target else -1)
            if onset == tick:
                degree = _first_degree(degree, current, bar == 3, answer)
            outline.append(OutlineNote(onset, end, degree, motif.figuration))
            last_target, last_degree = target, degree
    return outline


def _motif(theme: Theme, bar: int) -> Motif:
    # Before its first bar an answer would have to repeat a cadence; it begins with the second motif instead.
    return theme.motifs.get(theme.plan[bar], theme.motifs["b"])


def _target(section: Section, motif: Motif, number: int, ticks_into_bar: int) -> int:
    """Return how many degrees above the centre a note of bar `number` should be, before rounding to a chord tone."""
    phrase, bar = divmod(number, 4)
    arc = section.theme.arcs[phrase]
    lowest, highest = -3, 7
    if bar == 2 and ticks_into_bar >= section.character.bar // 2:  # no large leap into the cadence
        lowest, highest = arc[3] - 2, arc[3] + 2
    return max(lowest, min(highest, arc[bar] + motif.contour[ticks_into_bar // (2 * SIXTEENTH)]))


def _first_degree(degree: int, current: Chord, cadence: bool, answer: bool) -> int:
    """Return the degree with which a bar begins: the tonic in a cadence on it, the root in an answer."""
    if cadence and current.members[0] == 0:
        return 7 * ((degree + 3) // 7)
    if answer:
        return next(low for low in range(degree + 1, degree - 7, -1) if low % 7 == current.members[0])
    return degree


def _onsets(rhythm: tuple[int, ...], tick: int, harmony: Harmony) -> Iterator[tuple[int, int]]:
    """Yield start and end of the notes of a bar, which are split where the chord changes."""
    for length in rhythm:
        start, tick = tick, tick + abs(length) * SIXTEENTH
        if length > 0:
            change = harmony.at(start).end
            yield from [(start, change), (change, tick)] if change < tick else [(start, tick)]


def _vary(outline: Sequence[OutlineNote], section: Section, rng: Rng) -> list[OutlineNote]:
    """Replace the second half of some long notes outside the cadences by two notes."""
    varied = []
    for note in outline:
        bar = (note.start - section.start) // section.character.bar % len(section.theme.plan)
        too_short = note.end - note.start < 4 * SIXTEENTH
        # The short circuit matters: a random number is drawn only for notes that can be varied.
        if note.degree is None or bar == 3 or too_short or not rng.bernoulli(0.3):
            varied.append(note)
            continue
        half, three_quarters = (note.start + note.end) // 2, (note.start + 3 * note.end) // 4
        neighbour = section.harmony.at(note.start).chord.tone_above(note.degree, rng.choice((-1, 1)))
        varied.append(replace(note, end=half))
        for onset, end in ((half, three_quarters), (three_quarters, note.end)):
            accented = onset % section.character.beat == 0
            varied.append(OutlineNote(onset, end, neighbour if accented else None, note.figuration))
    return varied


def _fill_in_degrees(outline: Sequence[OutlineNote], harmony: Harmony) -> list[int]:
    """Return the degrees of the outline, with those that are None filled in by figuration."""
    accented = [(index, note.degree) for index, note in enumerate(outline) if note.degree is not None]
    first, first_degree = accented[0]
    degrees = list(range(first_degree - first, first_degree))  # an upbeat climbs to the first accent
    end = len(outline), accented[-1][1]
    for (left, degree), (right, goal) in pairwise([*accented, end]):
        current = harmony.at(outline[left].start).chord
        degrees += [degree, *connect(degree, goal, right - left - 1, outline[left].figuration, current)]
    return degrees


def connect(left: int, right: int, count: int, figuration: str, current: Chord) -> list[int]:
    """Return the degrees of the notes between two notes.

    Args:
        left: degree of the note before.
        right: degree of the note after.
        count: number of notes between them.
        figuration: "stepwise", "neighbours" or "arpeggio".
        current: the chord that sounds.
    """
    direction = 1 if right >= left else -1
    if figuration == "arpeggio":
        up_and_down = [index if index <= 2 else 4 - index for index in range(1, count + 1)]
        return [current.tone_above(left, direction * distance) for distance in up_and_down]
    if figuration == "neighbours" and abs(right - left) <= 2:
        return [left + direction * (index % 2) for index in range(1, count + 1)]
    return [right - direction * (count + 1 - index) for index in range(1, count + 1)]
