"""Performing of scores: timing, velocity, pedal and tempo, as a pianist shapes them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

from stages.etudes.rng import Rng
from stages.etudes.score import Note, Score
from stages.etudes.style import QUARTER, Character

LEAD_IN = QUARTER // 2
"""Ticks before the first beat, so that early notes do not come before the beginning of the file."""

ONSET_DELAY = {"melody": -14, "doubling": -6, "bass": -3, "inner": 3}
"""ms by which each voice is late. Pianists play the melody early (Goebl, Melody lead in piano performance, 2001)."""

VELOCITY_OFFSET = {"melody": 0, "doubling": -13, "bass": -10, "inner": -16}
"""Velocity of each voice relative to the melody."""

MIN_VELOCITY, MAX_VELOCITY = 18, 120


@dataclass(frozen=True)
class PerformedNote:
    """A note as played: key down to key up."""

    start: int  # ticks
    end: int  # ticks
    pitch: int  # MIDI number
    velocity: int


@dataclass(frozen=True)
class Performance:
    """A performance of a piece, ready to be written as MIDI."""

    title: str
    time_signature: tuple[int, int]
    notes: tuple[PerformedNote, ...]  # sorted by start, then pitch; notes of one pitch do not overlap
    pedal: tuple[tuple[int, int], ...]  # tick, value of controller 64; the last one lifts it after the last note
    tempos: tuple[tuple[int, int], ...]  # tick, microseconds per quarter note from there on

    @property
    def seconds(self) -> float:
        """Return the time in s at which the pedal is lifted for the last time."""
        changes = [*self.tempos, (self.pedal[-1][0], 0)]
        return sum((end - start) * tempo for (start, tempo), (end, _) in pairwise(changes)) / (QUARTER * 1_000_000)


def perform(score: Score) -> Performance:
    """Perform a score with rubato, phrasing and accents; the melody is louder and earlier than the other voices.

    As in composing, only addition, multiplication and rounding are used, so that the result does not depend on the
    mathematical library of the machine.
    """
    rng = Rng("performance of", score.title)
    character = score.character
    quarters_per_minute = score.tempo * character.beat // QUARTER
    millisecond = QUARTER * quarters_per_minute / 60_000  # ticks, at the basic tempo
    performed = [_perform_note(note, score, millisecond, rng) for note in score.notes]
    notes = _release_before_repeats(performed, round(8 * millisecond))
    pedal = _draw_pedal(score, max(note.end for note in notes), millisecond, rng)
    tempos = _draw_tempos(score, 60_000_000 / quarters_per_minute, rng)
    return Performance(score.title, character.time_signature, notes, pedal, tempos)


def _perform_note(note: Note, score: Score, millisecond: float, rng: Rng) -> PerformedNote:
    character = score.character
    delay = ONSET_DELAY[note.voice] + rng.triangular(12)
    held_fraction = character.held_fractions[0 if note.voice in ("melody", "doubling") else 1] + rng.triangular(0.12)
    if note.start == score.final_chord_start:
        delay, held_fraction = delay + 4 * (note.pitch - 36), 1  # arpeggiated and held
    written_start, written_end = _swing(note.start, character), _swing(note.end, character)
    start = LEAD_IN + written_start + round(delay * millisecond)
    held = max((written_end - written_start) * held_fraction, 40 * millisecond)
    return PerformedNote(start, start + round(held), note.pitch, _draw_velocity(note, score, rng))


def _swing(tick: int, character: Character) -> int:
    """Return the tick in swing time, which moves the second eighth of a quarter from its half to two thirds."""
    if not character.swing:
        return tick
    quarter, rest = divmod(tick, QUARTER)
    return quarter * QUARTER + (rest * 4 // 3 if 2 * rest <= QUARTER else (QUARTER + rest * 2) // 3)


def _draw_velocity(note: Note, score: Score, rng: Rng) -> int:
    character = score.character
    phrase, position = score.phrase_at(note.start)
    velocity = phrase.dynamics[0] + (phrase.dynamics[1] - phrase.dynamics[0]) * position
    velocity += 10 * (1 - _square((position - 0.6) / 0.6))  # a phrase grows until past its middle, then decreases
    velocity += VELOCITY_OFFSET[note.voice]
    if note.voice == "melody":
        velocity += (note.pitch - character.centre) / 2
    beat, rest = divmod(note.start % character.bar, character.beat)
    velocity += -3 if rest else 5 if beat == 0 else 8 if beat == character.accented_beat else 2
    return max(MIN_VELOCITY, min(MAX_VELOCITY, round(velocity + rng.triangular(8))))


def _release_before_repeats(notes: Iterable[PerformedNote], gap: int) -> tuple[PerformedNote, ...]:
    """Shorten notes to end `gap` ticks before the next of their pitch, and remove those that repeat too fast."""
    notes_of_pitch: dict[int, list[PerformedNote]] = {}
    for note in sorted(notes, key=lambda note: (note.start, note.pitch)):
        previous = notes_of_pitch.setdefault(note.pitch, [])
        if previous and note.start - previous[-1].start < 6 * gap:
            continue
        if previous:
            previous[-1] = replace(previous[-1], end=min(previous[-1].end, note.start - gap))
        previous.append(note)
    kept = (note for notes in notes_of_pitch.values() for note in notes)
    return tuple(sorted(kept, key=lambda note: (note.start, note.pitch)))


def _draw_pedal(score: Score, last: int, millisecond: float, rng: Rng) -> tuple[tuple[int, int], ...]:
    """Draw legato pedalling: the pedal comes up just after a chord begins, and goes down while its keys are held.

    Args:
        score: the piece.
        last: tick at which the last key is released.
        millisecond: in ticks.
        rng: source of randomness.
    """
    events, down = [(0, 0)], False
    for span in score.harmony:
        onset = LEAD_IN + span.start
        if down:
            events.append((onset + round((25 + rng.triangular(15)) * millisecond), 0))
        down = span.start == score.final_chord_start or rng.bernoulli(score.character.pedal_fraction)
        if down:
            events.append((onset + round((120 + rng.triangular(30)) * millisecond), 90 + rng.integer(38)))
    return (*events, (last + round(300 * millisecond), 0))


def _draw_tempos(score: Score, basic_tempo: float, rng: Rng) -> tuple[tuple[int, int], ...]:
    """Draw a tempo for every beat: phrases are slower at their ends, and the last three bars slow down.

    Args:
        score: the piece.
        basic_tempo: in microseconds per quarter note.
        rng: source of randomness.
    """
    character = score.character
    ritardando_start, end = score.final_chord_start - 2 * character.bar, score.harmony[-1].end
    tempos, drift = [(0, round(basic_tempo))], 0.0
    for tick in range(0, end, character.beat):
        _, position = score.phrase_at(tick)
        arc = _square(2 * position - 1) * (0.5 if position < 0.5 else 1)
        drift = 0.7 * drift + rng.triangular(character.rubato / 4)
        slowing = 1 + character.rubato * (arc - 0.25) + drift
        if tick >= ritardando_start:
            slowing += 0.45 * _square((tick - ritardando_start) / (end - ritardando_start))
        tempos.append((LEAD_IN + tick, round(basic_tempo * slowing)))
    return tuple(tempos)


def _square(number: float) -> float:
    return number * number  # ** calls the mathematical library
