"""Measures of music: distributions of its notes, how far two sets of music overlap in them, and what one piece does.

Everything is counted on the 10 ms grid that the network plays on, so real music is rounded just as generated music is
and nothing below measures the rounding. `describe` puts a note table on the grid; the other functions take what it
returns, or plain arrays of pitches (MIDI numbers) or of onsets (cells, non-decreasing) of one stretch of music.
"""

import numpy as np
import pandas as pd

from stages.representation.grid_encoding import FRAME_SECONDS

_CELLS_A_SECOND = round(1 / FRAME_SECONDS)
_MISSING = np.iinfo(np.int64).min


def _doubling(first: int, last: int) -> list[int]:
    # first, then two values an octave: 1, 2, 3, 4, 6, 8, 12, ... below last, and last.
    values = [first]
    while values[-1] < last:
        power = 2 ** (max(values[-1], 1).bit_length() - 1)
        values.append(values[-1] + max(power // 2, 1))
    return [*values[:-1], last]


FEATURES = {
    "pitch": np.arange(21, 110),  # MIDI number
    "pitch_class": np.arange(13),  # semitones above C
    "interval": np.arange(-36, 38),  # semitones from the note before; a chord's notes stand from low to high
    "step": np.array(_doubling(0, 1001)),  # cells since the note before
    "duration": np.array(_doubling(1, 3001)),  # cells that the note sounds, pedal included; 1 at least
    "velocity": np.arange(0, 129, 4),  # MIDI
    "polyphony": np.arange(1, 26),  # notes sounding at the note's onset, itself included
    "notes_per_second": np.arange(1, 62, 2),  # notes struck in the second up to the note's onset, itself included
}
"""What is known of each note, with the edges of its histogram's bins: `[edges[i], edges[i + 1])`, integers.

Values beyond the ends are counted in the outer bins. A piece's first note has no step and no interval.
"""

DISTRIBUTIONS = {"pitch": 1, "step": FRAME_SECONDS, "duration": FRAME_SECONDS, "velocity": 1}
"""The features of reports/distributions.csv and their units: MIDI numbers, seconds."""


def quantize(notes: pd.DataFrame) -> pd.DataFrame:
    """Round the note table `notes` to the grid: its rows sorted by piece, cell, pitch, its times in cells.

    Columns: `piece`, `pitch`, `velocity` and any beyond the contract's as they are, `cell` (onset) and `duration` (of
    the sound, pedal included; 1 at least), both int32.
    """
    start = notes["start"].to_numpy(np.float64)
    cell = np.rint(start / FRAME_SECONDS).astype(np.int32)
    end = np.rint((start + notes["sustained"].to_numpy(np.float64)) / FRAME_SECONDS).astype(np.int32)
    order = np.lexsort((notes["pitch"].to_numpy(), cell, notes["piece"].to_numpy()))
    table = notes.drop(columns=["start", "step", "duration", "sustained"]).take(order).reset_index(drop=True)
    return table.assign(cell=cell[order], duration=np.maximum(end - cell, 1)[order])


def add_features(notes: pd.DataFrame) -> pd.DataFrame:
    """Put the note table `notes` on the grid (see `on_grid`) and add every feature of `FEATURES` as a column."""
    table = quantize(notes)
    piece, cell, pitch, duration = (table[name].to_numpy(np.int64) for name in ("piece", "cell", "pitch", "duration"))
    first = np.diff(piece, prepend=-1) != 0
    # All pieces on one long line, far enough apart that none is heard in the next one's first second.
    span = int((cell + duration).max(initial=0)) + _CELLS_A_SECOND
    onset = (np.cumsum(first) - 1) * span + cell
    release = np.sort(onset + duration)
    struck = np.searchsorted(onset, onset, side="right")
    return table.assign(
        pitch=pitch,
        pitch_class=pitch % 12,
        interval=np.where(first, _MISSING, np.diff(pitch, prepend=0)),
        step=np.where(first, _MISSING, np.diff(cell, prepend=0)),
        polyphony=struck - np.searchsorted(release, onset, side="right"),
        notes_per_second=struck - np.searchsorted(onset, onset - _CELLS_A_SECOND, side="right"),
    )


def feature_histograms(music: pd.DataFrame, starts: np.ndarray, length: int) -> dict[str, np.ndarray]:
    """For every feature the histograms of the excerpts of `length` notes at the rows `starts`.

    Float64, shape (excerpts, bins), each row summing to 1, or to 0 if no note of the excerpt has the feature.
    """
    rows = starts[:, None] + np.arange(length)
    shares = {}
    for name, edges in FEATURES.items():
        bins = len(edges) - 1
        index = _bins(music[name].to_numpy(), edges)[rows]
        index = np.where(index < 0, -1, index + np.arange(len(starts))[:, None] * bins)
        counts = np.bincount(index[index >= 0], minlength=len(starts) * bins).reshape(len(starts), bins)
        shares[name] = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return shares


def feature_distributions(music: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The share of each source's notes in each bin of the features in `DISTRIBUTIONS`, in long form.

    `music` gives a described table for each source. The columns are feature, source, low, high (the bin's edges, in
    MIDI numbers or s, halfway between the values counted) and share; a source without notes is left out.
    """
    parts = []
    for feature, unit in DISTRIBUTIONS.items():
        edges = FEATURES[feature]
        limits = (edges - 0.5).clip(min=0 if unit == FRAME_SECONDS else None) * unit
        for source, table in music.items():
            index = _bins(table[feature].to_numpy(), edges)
            counts = np.bincount(index[index >= 0], minlength=len(edges) - 1)
            if counts.sum():
                shares = {"low": limits[:-1], "high": limits[1:], "share": counts / counts.sum()}
                parts.append(pd.DataFrame({"feature": feature, "source": source, **shares}))
    return pd.concat(parts) if parts else pd.DataFrame(columns=["feature", "source", "low", "high", "share"])


def _bins(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    # The bin of each value, -1 where it is missing.
    inside = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    return np.where(values == _MISSING, -1, inside)
