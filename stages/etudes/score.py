"""Composed pieces, before they are performed. Scores count time in ticks, 480 per quarter note."""

from dataclasses import dataclass

from stages.etudes.harmony import Harmony, Key
from stages.etudes.style import Character


@dataclass(frozen=True)
class Note:
    """A written note."""

    start: int  # ticks
    end: int  # ticks
    pitch: int  # MIDI number
    voice: str  # "melody", "doubling" (of the melody), "inner" or "bass"


@dataclass(frozen=True)
class Phrase:
    """A passage with one crescendo or diminuendo."""

    start: int  # ticks
    end: int  # ticks
    dynamics: tuple[int, int]  # velocity of the melody at its beginning and at its end


@dataclass(frozen=True)
class Score:
    """A composed piece."""

    title: str
    character: Character
    key: Key
    tempo: int  # beats per minute
    harmony: Harmony
    phrases: tuple[Phrase, ...]
    notes: tuple[Note, ...]  # sorted by start, then pitch; these two together are unique
    final_chord_start: int  # ticks

    def phrase_at(self, tick: int) -> tuple[Phrase, float]:
        """Return the phrase that a tick lies in, and the fraction of the phrase before that tick."""
        phrase = next(phrase for phrase in self.phrases if tick < phrase.end)
        return phrase, (tick - phrase.start) / (phrase.end - phrase.start)
