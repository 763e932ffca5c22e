"""Composing of accompaniments: voicings of chords, and figures that run through them."""

from collections.abc import Sequence
from itertools import pairwise

from stages.etudes.harmony import Chord, Harmony, Span
from stages.etudes.melody import connect
from stages.etudes.score import Note
from stages.etudes.style import QUARTER, SIXTEENTH, Pattern

LOWEST_BASS = 41
"""MIDI number from which basses are searched upwards."""

VOICINGS = {"close": (0, 1, 2), "open": (0, 2, 3, 4, 5), "wide": (0, 2, 4, 5, 6, 7)}
"""The chord tones of a voicing, counted upwards from the bass. The wide ones leave out the third just above the bass,
which would sound muddy."""


def voice_chord(current: Chord, voicing: str, previous: Sequence[int]) -> list[int]:
    """Return the MIDI numbers of a chord in a voicing.

    Args:
        current: the chord.
        voicing: "close", "open", "wide" or "keyboard".
        previous: the chord before in the same voicing, or empty. Basses do not leap up far from it, and the middle
            voices of "keyboard" move as little as they can.

    Returns:
        The voices. Voice 0 is the bass. In "keyboard" voices 1 to 3 are the right hand, voice 4 is another bass to
        alternate with (the fifth, or the root of an inverted chord), and voice 5 is the bass an octave lower, or the
        bass itself where that would be too low.
    """
    bass = _lowest_degree(current, LOWEST_BASS, current.members[current.inversion])
    if previous and current.pitch(bass) - previous[0] > 7:
        bass -= 7
    if voicing == "close" and current.pitch(bass) < LOWEST_BASS + 2:
        bass += 7
    if voicing == "keyboard":
        return _keyboard_voices(current, bass, previous)
    return [current.pitch(current.tone_above(bass, count)) for count in VOICINGS[voicing]]


def _lowest_degree(current: Chord, pitch: int, degree_in_octave: int) -> int:
    """Return the lowest degree, from a MIDI number upwards, with a position in the octave of 0 to 6."""
    lowest = current.degree(pitch)
    return next(degree for degree in range(lowest, lowest + 7) if degree % 7 == degree_in_octave)


def _keyboard_voices(current: Chord, bass: int, previous: Sequence[int]) -> list[int]:
    # The right hand plays three of a seventh chord's four tones: not that of the bass.
    tones = [member for member in current.members if len(current.members) == 3 or member != bass % 7]
    bass_pitch = current.pitch(bass)
    candidates = [current.pitch(degree) for degree in range(bass + 1, current.degree(67)) if degree % 7 in tones]
    candidates = [pitch for pitch in candidates if pitch > 51]
    previous_hand = previous[1:4] or (55, 60, 64)
    hands = [candidates[first : first + 3] for first in range(len(candidates) - 2)]
    hand = min(hands, key=lambda hand: sum(abs(new - old) for new, old in zip(hand, previous_hand, strict=True)))
    alternate_member = current.members[0 if current.inversion else 2]
    alternate = next(degree for degree in range(bass - 4, bass + 5) if degree % 7 == alternate_member)
    octave_lower = bass_pitch - 12 if bass_pitch >= 36 else bass_pitch
    return [bass_pitch, *hand, current.pitch(alternate), octave_lower]


def accompaniment(pattern: Pattern, harmony: Harmony, start: int, end: int) -> list[Note]:
    """Compose an accompaniment that repeats the figure of a pattern.

    Args:
        pattern: the pattern.
        harmony: chords of the piece.
        start: first tick, the beginning of a bar.
        end: tick after the last one.
    """
    figure, unit = pattern.figure.split(), pattern.unit * SIXTEENTH
    notes: list[Note] = []
    pitches: list[int] = []
    previous: Span | None = None
    for tick in range(start, end, unit):
        index = (tick - start) // unit % len(figure)
        span = harmony.at(tick)
        new_chord = span is not previous
        if new_chord:
            pitches = voice_chord(span.chord, pattern.voicing, pitches)
        previous = span
        voices = {int(digit) for digit in figure[index] if digit.isdigit()}
        if new_chord:  # every chord begins with its bass, wherever in the figure it comes
            voices = voices - {pattern.alternate_voice} | {0}
        note_end = min(tick + _length(figure, index) * unit, span.end)
        notes += [
            Note(tick, note_end, pitches[voice], "bass" if voice in pattern.bass_voices else "inner")
            for voice in sorted(voices)
        ]
    return notes


def _length(figure: Sequence[str], index: int) -> int:
    """Return how many units the notes at an index of a figure last."""
    rest = figure[index + 1 :]
    return 1 + next((count for count, word in enumerate(rest) if word != "_"), len(rest))


def walking_bass(harmony: Harmony, start: int, end: int) -> list[Note]:
    """Compose quarter notes that begin with the root of each chord and reach the next root stepwise.

    Args:
        harmony: chords of the piece.
        start: first tick, the beginning of a chord.
        end: tick after the last one.
    """
    spans = [span for span in harmony if start <= span.start < end]
    roots = [_lowest_degree(span.chord, LOWEST_BASS - 3, span.chord.members[0]) for span in [*spans, harmony.at(end)]]
    notes = []
    for index, (span, (root, next_root)) in enumerate(zip(spans, pairwise(roots), strict=True)):
        count = (span.end - span.start) // QUARTER - 1
        # The next root may be in another key, whose degrees are others.
        goal = span.chord.degree(harmony.at(span.end).chord.pitch(next_root))
        line = connect(root, goal, count, "stepwise", span.chord)
        if goal == root:
            line = [span.chord.tone_above(root, up) for up in ((1, 2, 1) if index % 2 else (2, 3, 2))][:count]
        for beat, degree in enumerate([root, *line]):
            tick = span.start + beat * QUARTER
            notes.append(Note(tick, tick + QUARTER, span.chord.pitch(degree), "bass"))
    return notes


def final_chord(harmony: Harmony) -> list[Note]:
    """Compose the final chord: the tonic over five octaves, for as long as the last span lasts."""
    span = harmony[-1]
    tonic = span.chord
    root = _lowest_degree(tonic, LOWEST_BASS - 5, 0)
    degrees = [root, *(tonic.tone_above(root, count) for count in (2, 3, 4, 5)), root + 21]
    voices = ("bass", "inner", "inner", "inner", "inner", "melody")
    return [
        Note(span.start, span.end, tonic.pitch(degree), voice) for degree, voice in zip(degrees, voices, strict=True)
    ]
