"""Features of each note (pitch, interval, step, polyphony, ...), their histograms and their distributions.

All times are rounded to the 10 ms frames that the model generates, so real music is rounded as generated music is and
no measure depends on the rounding. `quantize` rounds a note table, `add_features` adds the features; the other
functions take the feature table that `add_features` returns.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from stages.representation.grid_encoding import FRAME_SECONDS

_FRAMES_PER_SECOND = round(1 / FRAME_SECONDS)
_MISSING = np.iinfo(np.int64).min


def _half_octave_edges(first: int, last: int) -> list[int]:
    # Bin edges from first to last whose widths grow with the value, two bins for each doubling: 1, 2, 3, 4, 6, 8, 12.
    edges = [first]
    while edges[-1] < last:
        power = 2 ** (max(edges[-1], 1).bit_length() - 1)
        edges.append(edges[-1] + max(power // 2, 1))
    return [*edges[:-1], last]


FEATURES = {
    "pitch": np.arange(21, 110),  # MIDI note number
    "pitch_class": np.arange(13),  # semitones above C
    "interval": np.arange(-36, 38),  # semitones from the previous note; notes of one onset are sorted by pitch
    "step": np.array(_half_octave_edges(0, 1001)),  # frames from the previous onset
    "duration": np.array(_half_octave_edges(1, 3001)),  # frames that the note sounds, pedal included, >= 1
    "velocity": np.arange(0, 129, 4),  # MIDI velocity
    "polyphony": np.arange(1, 26),  # notes sounding at the note's onset, itself included
    "notes_per_second": np.arange(1, 62, 2),  # onsets in the second that ends with the note's onset, itself included
}
"""The features of a note and the bin edges of their histograms: integers, bins `[edges[i], edges[i + 1])`.

Values beyond the edges are counted in the outer bins. A piece's first note has no step and no interval.
"""

DISTRIBUTIONS = {"pitch": 1, "step": FRAME_SECONDS, "duration": FRAME_SECONDS, "velocity": 1}
"""The features of reports/distributions.csv, with the factor from a feature's values to its unit there (1 or s)."""

_DISTRIBUTION_COLUMNS = ["feature", "music", "low", "high", "fraction"]


def quantize(notes: pd.DataFrame) -> pd.DataFrame:
    """Round the times of a note table to frames.

    Args:
        notes: a note table, any number of pieces.

    Returns:
        The quantized table, sorted by piece, onset_frame and pitch. Its columns are `piece`, `pitch`, `velocity` and
        any that a note table need not have, unchanged; `onset_frame` (int32); and `duration` (int32), the sounding
        duration in frames, >= 1.
    """
    start = notes["start"].to_numpy(np.float64)
    onset_frame = np.rint(start / FRAME_SECONDS).astype(np.int32)
    end_frame = np.rint((start + notes["sounding_duration"].to_numpy(np.float64)) / FRAME_SECONDS).astype(np.int32)
    order = np.lexsort((notes["pitch"].to_numpy(), onset_frame, notes["piece"].to_numpy()))
    seconds_columns = ["start", "step", "key_duration", "sounding_duration"]
    table = notes.drop(columns=seconds_columns).take(order).reset_index(drop=True)
    duration = np.maximum(end_frame - onset_frame, 1)
    return table.assign(onset_frame=onset_frame[order], duration=duration[order])


def add_features(notes: pd.DataFrame) -> pd.DataFrame:
    """Quantize a note table and add a column for each feature.

    Args:
        notes: a note table, any number of pieces.

    Returns:
        The feature table: the columns of `quantize` and those of `FEATURES`, all features int64 or int32.
    """
    table = quantize(notes)
    piece, onset_frame, pitch, duration = (
        table[name].to_numpy(np.int64) for name in ("piece", "onset_frame", "pitch", "duration")
    )
    is_first = np.diff(piece, prepend=-1) != 0
    # One time axis for all pieces, with gaps so long that no piece counts in the first second of the next.
    piece_frames = int((onset_frame + duration).max(initial=0)) + _FRAMES_PER_SECOND
    onset = (np.cumsum(is_first) - 1) * piece_frames + onset_frame
    end = np.sort(onset + duration)
    onsets_so_far = np.searchsorted(onset, onset, side="right")
    return table.assign(
        pitch=pitch,
        pitch_class=pitch % 12,
        interval=np.where(is_first, _MISSING, np.diff(pitch, prepend=0)),
        step=np.where(is_first, _MISSING, np.diff(onset_frame, prepend=0)),
        polyphony=onsets_so_far - np.searchsorted(end, onset, side="right"),
        notes_per_second=onsets_so_far - np.searchsorted(onset, onset - _FRAMES_PER_SECOND, side="right"),
    )


def feature_histograms(music: pd.DataFrame, starts: np.ndarray, length: int) -> dict[str, np.ndarray]:
    """Return a normalized histogram of every feature for every excerpt.

    Args:
        music: a feature table.
        starts: the first row of each excerpt, int, shape (excerpts,).
        length: the notes of an excerpt, >= 1.

    Returns:
        For each feature a float64 array of shape (excerpts, bins). Each row sums to 1, or to 0 if no note of the
        excerpt has the feature.
    """
    rows = starts[:, None] + np.arange(length)
    histograms = {}
    for name, edges in FEATURES.items():
        bins = len(edges) - 1
        index = _bin_index(music[name].to_numpy(), edges)[rows]
        index = np.where(index < 0, -1, index + np.arange(len(starts))[:, None] * bins)
        counts = np.bincount(index[index >= 0], minlength=len(starts) * bins).reshape(len(starts), bins)
        histograms[name] = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return histograms


def feature_distributions(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the distribution of the features in `DISTRIBUTIONS` over all notes of each music, in long form.

    Args:
        tables: feature tables by the name of their music, such as `generated`.

    Returns:
        The columns feature, music, low and high (the bin's edges in MIDI numbers or s, halfway between the values
        counted) and fraction (of the music's notes, those in the bin). Music without notes is left out.
    """
    parts = []
    for feature, unit in DISTRIBUTIONS.items():
        edges = FEATURES[feature]
        limits = (edges - 0.5) * unit
        if unit == FRAME_SECONDS:  # times are not negative
            limits = limits.clip(min=0)
        for music, table in tables.items():
            index = _bin_index(table[feature].to_numpy(), edges)
            counts = np.bincount(index[index >= 0], minlength=len(edges) - 1)
            if counts.sum():
                columns = {"low": limits[:-1], "high": limits[1:], "fraction": counts / counts.sum()}
                parts.append(pd.DataFrame({"feature": feature, "music": music, **columns}))
    return pd.concat(parts) if parts else pd.DataFrame(columns=_DISTRIBUTION_COLUMNS)


def _bin_index(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    # The bin of each value, -1 where the note has no value.
    index = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    return np.where(values == _MISSING, -1, index)
