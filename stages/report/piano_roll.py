"""Piano rolls as SVG inside the page: their scale, and their notes as paths."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from stages.report.formatting import css_percent
from stages.report.pitches import note_name, pitch_range

VELOCITY_LEVELS = 6
"""Levels of opacity that show velocity."""

UNITS_PER_SECOND = 100
"""Horizontal units of the drawing; a vertical unit is a semitone."""

MAX_TIME_LABELS = 12


@dataclass(frozen=True)
class NotePath:
    """An SVG path with all notes of one velocity level, generated or real."""

    generated: bool
    opacity: str
    data: str  # the attribute d: M<start> <row>h<duration> for each note


def note_paths(notes: pd.DataFrame, top_pitch: int) -> Iterator[NotePath]:
    """Yield the notes as a few SVG paths; page.js reads the single notes back from them.

    Args:
        notes: a note table with the column `generated`.
        top_pitch: MIDI note number of row 0.
    """
    start = (UNITS_PER_SECOND * notes["start"]).round().astype(int)
    duration = (UNITS_PER_SECOND * notes["sounding_duration"]).round().clip(lower=2).astype(int)
    row = top_pitch - notes["pitch"].astype(int)
    level = notes["velocity"].astype(int) * VELOCITY_LEVELS // 128
    table = pd.DataFrame({"start": start, "row": row, "duration": duration})
    for (generated, velocity_level), group in table.groupby([notes["generated"], level]):
        strokes = (f"M{start} {row}h{duration}" for start, row, duration in group.itertuples(index=False))
        yield NotePath(generated, f"{0.28 + 0.72 * velocity_level / (VELOCITY_LEVELS - 1):.2f}", "".join(strokes))


@dataclass(frozen=True)
class RollScale:
    """The range of times and pitches of a piano roll; rolls shown next to each other share one."""

    seconds: float
    low: int  # MIDI note numbers, both Cs
    high: int

    @classmethod
    def fit(cls, tables: Sequence[pd.DataFrame], seconds: float) -> "RollScale":
        """Return the scale that holds all notes.

        Args:
            tables: note tables.
            seconds: the least length.
        """
        notes = pd.concat(tables)
        last_end = (notes["start"] + notes["sounding_duration"]).max() if len(notes) else 0.0
        return cls(round(max(1.0, seconds, last_end), 2), *pitch_range(notes["pitch"]))

    @property
    def width(self) -> int:
        """Return the width of the drawing in its units."""
        return round(UNITS_PER_SECOND * self.seconds)

    @property
    def rows(self) -> int:
        """Return the height of the drawing in semitones."""
        return self.high - self.low + 1

    @property
    def octave_labels(self) -> list[tuple[str, str]]:
        """Return the name of every C and its distance from the top, as a CSS percentage."""
        return [
            (note_name(pitch), css_percent(self.high - pitch + 0.5, self.rows))
            for pitch in range(self.low, self.high + 1, 12)
        ]

    @property
    def octave_lines(self) -> str:
        """Return the data of an SVG path with a line below every C."""
        return "".join(f"M0 {self.high - pitch + 1}h{self.width}" for pitch in range(self.low, self.high + 1, 12))

    @property
    def time_labels(self) -> range:
        """Return the whole seconds to label, none so near the end that its label would be cut off."""
        intervals = (1, 2, 5, 10, 20, 30, 60)
        interval = next((each for each in intervals if self.seconds / each <= MAX_TIME_LABELS), 120)
        return range(0, int(self.seconds - 0.4 * interval) + 1, interval)
