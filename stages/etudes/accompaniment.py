"""Accompaniment: chords laid out for the hand, and figures that run through them."""

from collections.abc import Sequence
from itertools import pairwise

from stages.etudes.harmony import Chord, Harmony
from stages.etudes.melody import join
from stages.etudes.score import Note
from stages.etudes.style import QUARTER, SIXTEENTH, Pattern

BASS = 41
"""MIDI number from which basses are looked for upwards."""

LADDERS = {"close": (0, 1, 2), "open": (0, 2, 3, 4, 5), "wide": (0, 2, 4, 5, 6, 7)}
"""Which of the chord's notes above the bass, counted upwards, a voicing has. The wide ones leave out the third just
above the bass, where it growls."""


def voices(current: Chord, voicing: str, before: Sequence[int]) -> list[int]:
    """MIDI numbers of a chord in the voicing `close`, `open`, `wide` or `keyboard`.

    `before` is the previous chord in the same voicing, or empty: the basses do not leap up far, and the three middle
    notes of `keyboard` move as little as they can. These are its voices 1 to 3; 0 is the bass, 4 another bass to
    alternate with (the fifth, or the root of an inverted chord) and 5 the bass an octave lower, if that is no growl.
    """
    lowest = current.step(BASS)
    bass = next(step for step in range(lowest, lowest + 7) if step % 7 == current.members[current.inversion])
    if before and current.pitch(bass) - before[0] > 7:
        bass -= 7
    if voicing == "close" and current.pitch(bass) < BASS + 2:
        bass += 7
    if voicing in LADDERS:
        return [current.pitch(current.climb(bass, count)) for count in LADDERS[voicing]]
    # Of a seventh chord's four notes the hand leaves the bass's to the bass.
    wanted = [member for member in current.members if len(current.members) == 3 or member != bass % 7]
    low = current.pitch(bass)
    reach = [current.pitch(step) for step in range(bass + 1, current.step(67)) if step % 7 in wanted]
    reach = [pitch for pitch in reach if pitch > 51]
    last = before[1:4] or (55, 60, 64)
    hands = [reach[low : low + 3] for low in range(len(reach) - 2)]
    hand = min(hands, key=lambda hand: sum(abs(new - old) for new, old in zip(hand, last, strict=True)))
    alternate = current.members[0 if current.inversion else 2]
    other = next(step for step in range(bass - 4, bass + 5) if step % 7 == alternate)
    return [low, *hand, current.pitch(other), low - 12 if low >= 36 else low]


def accompaniment(pattern: Pattern, harmony: Harmony, start: int, end: int) -> list[Note]:
    """The figure from tick `start` to `end`, beginning with a bar."""
    words, unit = pattern.figure.split(), pattern.unit * SIXTEENTH
    notes, span, tones = [], None, []
    for tick in range(start, end, unit):
        index = (tick - start) // unit % len(words)
        changed = harmony.at(tick) is not span
        if changed:
            span = harmony.at(tick)
            tones = voices(span.chord, pattern.voicing, tones)
        held = 1 + next((count for count, word in enumerate(words[index + 1 :]) if word != "_"), len(words) - index - 1)
        until = min(tick + held * unit, span.end)
        struck = {int(digit) for digit in words[index] if digit.isdigit()}
        if changed:  # every chord has its bass, wherever in the figure it comes
            struck = struck - {pattern.alternate} | {0}
        notes += [
            Note(tick, until, tones[voice], "bass" if voice in pattern.basses else "inner") for voice in sorted(struck)
        ]
    return notes


def walking_bass(harmony: Harmony, start: int, end: int) -> list[Note]:
    """Quarter notes that begin with each chord's root and reach the next one by step."""
    spans = [span for span in harmony if start <= span.start < end]
    roots = []
    for span in [*spans, harmony.at(end)]:
        lowest = span.chord.step(BASS - 3)
        roots.append(next(step for step in range(lowest, lowest + 7) if step % 7 == span.chord.members[0]))
    notes = []
    for index, (span, (root, following)) in enumerate(zip(spans, pairwise(roots), strict=True)):
        count = (span.end - span.start) // QUARTER - 1
        # The next root may belong to another key, which counts other steps.
        goal = span.chord.step(harmony.at(span.end).chord.pitch(following))
        line = join(root, goal, count, "steps", span.chord)
        if goal == root:
            line = [span.chord.climb(root, up) for up in ((1, 2, 1) if index % 2 else (2, 3, 2))][:count]
        for beat, step in enumerate([root, *line]):
            tick = span.start + beat * QUARTER
            notes.append(Note(tick, tick + QUARTER, span.chord.pitch(step), "bass"))
    return notes


def last_chord(harmony: Harmony) -> list[Note]:
    """The tonic over five octaves, for as long as the last chord lasts."""
    span = harmony[-1]
    tonic, lowest = span.chord, span.chord.step(BASS - 5)
    root = next(step for step in range(lowest, lowest + 7) if step % 7 == 0)
    ladder = [root, *(tonic.climb(root, count) for count in (2, 3, 4, 5)), root + 21]
    parts = ("bass", "inner", "inner", "inner", "inner", "melody")
    return [Note(span.start, span.end, tonic.pitch(step), voice) for step, voice in zip(ladder, parts, strict=True)]
