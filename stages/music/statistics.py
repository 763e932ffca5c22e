"""Measures of music: distributions of its notes, how far two sets of music overlap in them, and what one piece does.

Everything is counted on the 10 ms grid that the network plays on, so real music is rounded just as generated music is
and nothing below measures the rounding. `describe` puts a note table on the grid; the other functions take what it
returns, or plain arrays of pitches (MIDI numbers) or of onsets (cells, non-decreasing) of one stretch of music.
"""

import numpy as np
import pandas as pd

from stages.music.encoding import CELL

_CELLS_A_SECOND = round(1 / CELL)
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

DISTRIBUTIONS = {"pitch": 1, "step": CELL, "duration": CELL, "velocity": 1}
"""The features of reports/distributions.csv and their units: MIDI numbers, seconds."""

INSTANT = 5
"""cells; onsets less than 50 ms apart count as one instant, the tolerance customary in comparing onsets (mir_eval)."""

PHRASE = 8
"""notes; the shortest sequence that counts as a phrase said again."""


def on_grid(notes: pd.DataFrame) -> pd.DataFrame:
    """Round the note table `notes` to the grid: its rows sorted by piece, cell, pitch, its times in cells.

    Columns: `piece`, `pitch`, `velocity` and any beyond the contract's as they are, `cell` (onset) and `duration` (of
    the sound, pedal included; 1 at least), both int32.
    """
    start = notes["start"].to_numpy(np.float64)
    cell = np.rint(start / CELL).astype(np.int32)
    end = np.rint((start + notes["sustained"].to_numpy(np.float64)) / CELL).astype(np.int32)
    order = np.lexsort((notes["pitch"].to_numpy(), cell, notes["piece"].to_numpy()))
    table = notes.drop(columns=["start", "step", "duration", "sustained"]).take(order).reset_index(drop=True)
    return table.assign(cell=cell[order], duration=np.maximum(end - cell, 1)[order])


def describe(notes: pd.DataFrame) -> pd.DataFrame:
    """Put the note table `notes` on the grid (see `on_grid`) and add every feature of `FEATURES` as a column."""
    table = on_grid(notes)
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


def windows(piece: np.ndarray, length: int) -> np.ndarray:
    """Where excerpts of `length` notes begin: as many as fit into each piece, end to end, in its middle.

    `piece` is the column of a described table; the result, row numbers of that table, is sorted. There are none of
    length 0.
    """
    if length < 1:
        return np.zeros(0, np.int64)
    begins = np.flatnonzero(np.diff(piece, prepend=-1))
    sizes = np.diff(begins, append=len(piece))
    counts = sizes // length
    nth = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(begins + (sizes - counts * length) // 2, counts) + nth * length


def evenly(values: np.ndarray, most: int) -> np.ndarray:
    """`most` of the values, evenly spaced among them, or all if there are no more."""
    if len(values) <= most:
        return values
    return values[(np.arange(most) * len(values) + len(values) // 2) // most]


def histograms(music: pd.DataFrame, starts: np.ndarray, length: int) -> dict[str, np.ndarray]:
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


def distributions(music: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The share of each source's notes in each bin of the features in `DISTRIBUTIONS`, in long form.

    `music` gives a described table for each source. The columns are feature, source, low, high (the bin's edges, in
    MIDI numbers or s, halfway between the values counted) and share; a source without notes is left out.
    """
    parts = []
    for feature, unit in DISTRIBUTIONS.items():
        edges = FEATURES[feature]
        limits = (edges - 0.5).clip(min=0 if unit == CELL else None) * unit
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


def histogram_overlap(one: np.ndarray, other: np.ndarray) -> float:
    """The area common to two histograms `[bins]` that sum to 1: sum over bins of min(one, other), 0 to 1.

    Says whether two sets of music use the same values equally often. Histogram intersection, Swain and Ballard,
    "Color indexing", International Journal of Computer Vision 7 (1991).
    """
    return float(np.minimum(one, other).sum())


def overlapped_area(reference: np.ndarray, others: np.ndarray) -> float | None:
    """The overlapped area of Yang and Lerch between a reference set of music and another set, 0 to 1.

    `reference` (shape (r, bins)) and `others` (shape (o, bins)) hold a feature vector an excerpt. With the Euclidean
    distances d(x, y) of feature vectors, let p be the density of the distances within the reference, over all pairs of
    its excerpts, and q the density of the distances between an excerpt of the reference and one of the others. Then

        overlapped area = integral over d of min(p(d), q(d))

    It is 1 if the others differ from the reference as its own excerpts differ from one another, and falls both when
    they are foreign to it and when they vary less than it does. Densities are Gaussian kernel estimates with Scott's
    bandwidth, std * n ** -1/5, as in the authors' program, which integrates between the smallest and the largest
    distance only; here it is the whole line, so that equal densities give 1.

    None if a set is too small: the reference must have two excerpts, the others one.

    Li-Chia Yang and Alexander Lerch, "On the evaluation of generative models in music", Neural Computing and
    Applications 32 (2020), doi 10.1007/s00521-018-3849-7; program: github.com/RichardYang40148/mgeval.
    """
    if len(reference) < 2 or not len(others):
        return None
    within = _distances(reference, reference)[np.triu_indices(len(reference), 1)]
    between = _distances(reference, others).ravel()
    return _density_overlap(within, between)


def _distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.sqrt(((one[:, None] - other[None]) ** 2).sum(axis=2))


def _density_overlap(one: np.ndarray, other: np.ndarray) -> float:
    widths = [_bandwidth(points) for points in (one, other)]
    if min(widths) < 1e-9:  # all distances of a set are the same: a point, which has an overlap with itself alone
        return float(max(widths) < 1e-9 and abs(one[0] - other[0]) < 1e-9)
    both = np.concatenate([one, other])
    margin = 4 * max(widths)
    edges = np.linspace(both.min() - margin, both.max() + margin, 4097)
    shares = [
        _smooth(np.histogram(points, edges)[0], width, edges)
        for points, width in zip((one, other), widths, strict=True)
    ]
    return float(np.minimum(*shares).sum())


def _bandwidth(points: np.ndarray) -> float:
    return float(points.std(ddof=1)) * len(points) ** -0.2 if len(points) > 1 else 0.0


def _smooth(counts: np.ndarray, width: float, edges: np.ndarray) -> np.ndarray:
    # The kernel estimate's mass in each bin. The bins are so narrow that where in its bin a point lies does not matter.
    reach = min(int(4 * width / (edges[1] - edges[0])), len(counts) // 2 - 1)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * (edges[1] - edges[0]) / width) ** 2)
    mass = np.convolve(counts, kernel, mode="same")
    return mass / mass.sum()


def repeated_notes(pitch: np.ndarray) -> float:
    """Share of the notes after the first that have the pitch of the note before, 0 to 1."""
    return float((pitch[1:] == pitch[:-1]).mean()) if len(pitch) > 1 else 0.0


def longest_repeat(pitch: np.ndarray) -> int:
    """The most notes in a row that have one pitch; 1 where none is repeated."""
    if not len(pitch):
        return 0
    changes = np.flatnonzero(np.diff(pitch, prepend=-1, append=-1))
    return int(np.diff(changes).max())


def repeated_phrases(pitch: np.ndarray) -> float:
    """Share of the sequences of `PHRASE` notes whose pitches have come before in the same order, 0 to 1.

    Real music says things again; a model that says everything again is stuck, one that never does has no memory.
    """
    if len(pitch) < PHRASE:
        return 0.0
    phrases = np.lib.stride_tricks.sliding_window_view(pitch, PHRASE)
    return float(1 - len(np.unique(phrases, axis=0)) / len(phrases))


def struck_together(cell: np.ndarray) -> float:
    """Share of the notes after the first that begin in the same cell as the note before, 0 to 1."""
    return float((cell[1:] == cell[:-1]).mean()) if len(cell) > 1 else 0.0


def largest_instant(cell: np.ndarray) -> float:
    """The largest share of the notes that begins within one instant, that is in `INSTANT` successive cells, 0 to 1."""
    if not len(cell):
        return 0.0
    return float((np.searchsorted(cell, cell + INSTANT) - np.arange(len(cell))).max() / len(cell))


def velocity_spread(velocity: np.ndarray) -> float:
    """Standard deviation of the velocities, in MIDI units; 0 where dynamics do not move."""
    return float(velocity.std()) if len(velocity) else 0.0


def tempo_drift(cell: np.ndarray) -> float:
    """|log2(b / a)|, where a and b are the times from the first to the last onset of the first and the second half.

    0 where both halves are equally dense, 1 where one has twice the notes a second of the other. A half without extent
    counts as one cell; the middle one of an odd number of notes belongs to neither.
    """
    half = len(cell) // 2
    if half < 1:
        return 0.0
    first, second = max(cell[half - 1] - cell[0], 1), max(cell[-1] - cell[-half], 1)
    return float(abs(np.log2(second / first)))
