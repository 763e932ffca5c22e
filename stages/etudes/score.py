"""What a composed piece is. Scores count time in ticks, 480 a quarter note."""

from dataclasses import dataclass

from stages.etudes.harmony import Harmony, Key
from stages.etudes.style import Character


@dataclass(frozen=True)
class Note:
    """A note as written."""

    start: int  # ticks
    end: int
    pitch: int  # MIDI number
    voice: str  # "melody", "doubling" (of the melody), "inner" or "bass"


@dataclass(frozen=True)
class Phrase:
    """What is played in one breath."""

    start: int  # ticks
    end: int
    levels: tuple[int, int]  # velocities that the melody starts from and goes to


@dataclass(frozen=True)
class Score:
    title: str
    character: Character
    key: Key
    tempo: int  # beats a minute
    harmony: Harmony
    phrases: tuple[Phrase, ...]
    notes: tuple[Note, ...]  # by start, pitch; each key at most once at a time
    ending: int  # tick at which the last chord is struck

    def phrase_at(self, tick: int) -> tuple[Phrase, float]:
        """The phrase that sounds at a tick, and the share of it that is over."""
        phrase = next(phrase for phrase in self.phrases if tick < phrase.end)
        return phrase, (tick - phrase.start) / (phrase.end - phrase.start)
