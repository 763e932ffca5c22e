"""Tempo map of a MIDI file: conversion between ticks and seconds."""

import numpy as np

from stages.utils.errors import InputError

DEFAULT_TEMPO = 500_000
"""Tempo until the first tempo message in microseconds per quarter note: 120 quarter notes a minute (Standard MIDI Files
1.0)."""

MIN_TICK_SECONDS = 1e-9
"""Shortest tick in seconds that is accepted. With it, different ticks stay different in float64 for as long as a file
may play. Usual ticks take 1e-5 to 1e-3 s."""


class MidiError(InputError):
    """Bytes that cannot be read as a MIDI file with notes. The message gives the reason, but does not name the file."""


class TempoMap:
    """The tempo map of a MIDI file: sections of constant tempo, between which time is linear in ticks.

    Attributes:
        section_tick: first tick of each section, int64, shape (sections,).
        section_start: time of that tick in s, float64, shape (sections,).
        tick_seconds: length of a tick in each section in s, float64, shape (sections,).
    """

    def __init__(self, change_tick: np.ndarray, tempo: np.ndarray, ticks_per_quarter: int) -> None:
        """Build the sections from the tempo messages of a file.

        Args:
            change_tick: tick of each tempo message, in ascending order. Of several at one tick the last one counts.
            tempo: tempo from that tick on, in microseconds per quarter note.
            ticks_per_quarter: resolution of the file in ticks per quarter note.

        Raises:
            MidiError: a tick has no length, or lies before the beginning of the file.
        """
        first_tick = np.append(0, change_tick.astype(np.int64))
        tempo = np.append(DEFAULT_TEMPO, tempo)
        if ticks_per_quarter < 1 or first_tick.min() < 0:
            raise MidiError("has no ticks, or times beyond the range of MIDI")
        not_empty = np.append(np.diff(first_tick) > 0, True)
        self.section_tick, tempo = first_tick[not_empty], tempo[not_empty]
        self.tick_seconds = tempo / (1e6 * ticks_per_quarter)
        if self.tick_seconds.min() < MIN_TICK_SECONDS:
            raise MidiError(f"has a tempo of {tempo.min()} microseconds a quarter note")
        section_seconds = np.diff(self.section_tick) * self.tick_seconds[:-1]
        self.section_start = np.append(0.0, np.cumsum(section_seconds))

    def ticks_to_seconds(self, ticks: np.ndarray) -> np.ndarray:
        """Return the times of ticks in s, float64."""
        section = np.searchsorted(self.section_tick, ticks, "right") - 1 if len(self.section_tick) > 1 else 0
        return self.section_start[section] + (ticks - self.section_tick[section]) * self.tick_seconds[section]

    def seconds_to_ticks(self, seconds: np.ndarray) -> np.ndarray:
        """Return the ticks nearest to times in s, int64."""
        section = np.maximum(np.searchsorted(self.section_start, seconds, "right") - 1, 0)
        ticks_in_section = np.rint((seconds - self.section_start[section]) / self.tick_seconds[section])
        return self.section_tick[section] + ticks_in_section.astype(np.int64)
