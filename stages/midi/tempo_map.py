"""Tempo map of a MIDI file: ticks to seconds and back."""

import numpy as np

from stages.utils.errors import InputError

MIN_TICK_SECONDS = 1e-9
"""s; so different ticks stay different in float64 for as long as `LONGEST`. Common files have 1e-3 to 1e-5."""


class MidiError(InputError):
    """These bytes are no MIDI file that a note table can be made of. The message says why, not which file."""


class TempoMap:
    """A file's tempo map: from ticks to seconds, float64, and back.

    time, tempo: the ticks of the tempo messages, in the order in which they count, and their microseconds a quarter
    note. Raises MidiError where ticks have no length.
    """

    def __init__(self, time: np.ndarray, tempo: np.ndarray, ticks_per_quarter: int) -> None:
        begin = np.append(0, time.astype(np.int64))
        tempo = np.append(500_000, tempo)
        if ticks_per_quarter < 1 or begin.min() < 0:
            raise MidiError("has no ticks, or times beyond the range of MIDI")
        tick = tempo / (1e6 * ticks_per_quarter)
        if tick.min() < MIN_TICK_SECONDS:
            raise MidiError(f"has a tempo of {tempo.min()} microseconds a quarter note")
        lasting = np.append(np.diff(begin) > 0, True)
        self.begin, self.tick = begin[lasting], tick[lasting]  # of each section: its first tick, a tick's seconds
        self.base = np.append(0.0, np.cumsum(np.diff(self.begin) * self.tick[:-1]))  # the seconds at which it begins

    def seconds(self, ticks: np.ndarray) -> np.ndarray:
        """The seconds at which ticks come."""
        section = np.searchsorted(self.begin, ticks, "right") - 1 if len(self.begin) > 1 else 0
        return self.base[section] + (ticks - self.begin[section]) * self.tick[section]

    def ticks(self, seconds: np.ndarray) -> np.ndarray:
        """The nearest ticks to seconds, int64."""
        section = np.maximum(np.searchsorted(self.base, seconds, "right") - 1, 0)
        within = np.rint((seconds - self.base[section]) / self.tick[section])
        return self.begin[section] + within.astype(np.int64)
