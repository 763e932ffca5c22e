"""Compare generated music with real music, and real music with other real music.

Generated music is a few dozen samples of some hundred notes. Whole test pieces differ from them in number and length,
not only in style, so all music is cut into excerpts of equal length. Each value of the generated excerpts (`generated`
in the column `music`) comes with the same value of real excerpts (`validation` or `test`): the mean over groups of real
excerpts, each group as large as the generated set. The real excerpts are chosen without chance, evenly spaced over
their split.

The functions return tables in long form. A value is missing (NaN) where there is too little music for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stages.metrics import copying, descriptors
from stages.metrics.excerpts import evenly_spaced, excerpt_starts
from stages.metrics.note_features import FEATURES, feature_histograms
from stages.metrics.overlap import histogram_overlap, overlapped_area

MAX_REFERENCE_EXCERPTS = 240
"""Largest number of test excerpts in the reference set of `overlap_table`."""

MAX_GROUPS = 24
"""Largest number of groups of real excerpts over which the values of real music are averaged."""


@dataclass(frozen=True)
class Excerpts:
    """Excerpts of equal length of a feature table."""

    music: pd.DataFrame  # a feature table: see note_features.add_features
    starts: np.ndarray  # first row of each excerpt, int64, shape (excerpts,)
    length: int  # notes of each excerpt

    def __len__(self) -> int:
        return len(self.starts)

    def histograms(self) -> dict[str, np.ndarray]:
        """Return a histogram of every feature for every excerpt; see `note_features.feature_histograms`."""
        return feature_histograms(self.music, self.starts, self.length)

    def column(self, name: str) -> list[np.ndarray]:
        """Return the values of one column, an array for each excerpt."""
        values = self.music[name].to_numpy()
        return [values[start : start + self.length] for start in self.starts]

    def pitch_sequences(self) -> list[np.ndarray]:
        """Return a pitch sequence for each excerpt; see `copying.pitch_sequences`."""
        tables = (self.music.iloc[start : start + self.length] for start in self.starts)
        return [sequence for table in tables for sequence in copying.pitch_sequences(table)]


@dataclass(frozen=True)
class _Descriptor:
    measure: Callable[[np.ndarray], float]  # of one excerpt
    column: str  # the argument of `measure`
    aggregate: Callable[[list[float]], float]  # over excerpts
    counts_infills: bool = False


_DESCRIPTORS = {
    "repeated_note_rate": _Descriptor(descriptors.repeated_note_rate, "pitch", np.mean),
    "max_note_repeat": _Descriptor(descriptors.max_note_repeat, "pitch", max, counts_infills=True),
    "repeated_ngram_rate": _Descriptor(descriptors.repeated_ngram_rate, "pitch", np.mean),
    "same_onset_rate": _Descriptor(descriptors.same_onset_rate, "onset_frame", np.mean),
    "max_onset_cluster": _Descriptor(descriptors.max_onset_cluster, "onset_frame", max),
    "velocity_std": _Descriptor(descriptors.velocity_std, "velocity", np.mean),
    "tempo_drift": _Descriptor(descriptors.tempo_drift, "onset_frame", np.mean),
}


def cut_excerpts(music: pd.DataFrame, length: int, max_excerpts: int | None = None) -> Excerpts:
    """Cut every piece of a feature table into excerpts.

    Args:
        music: a feature table.
        length: the notes of an excerpt; 0 gives no excerpts.
        max_excerpts: if given, no more than this number is kept, evenly spaced.
    """
    starts = excerpt_starts(music["piece"].to_numpy(), length)
    return Excerpts(music, starts if max_excerpts is None else evenly_spaced(starts, max_excerpts), length)


def excerpt_length(generated: list[int], real: list[int]) -> int:
    """Return how many notes an excerpt has: so many that every sample and half of the real pieces are long enough.

    Args:
        generated: the number of notes of each sample.
        real: the number of notes of each real piece.

    Returns:
        The minimum over samples or the median over real pieces, whichever is smaller; 0 without samples.
    """
    if not generated:
        return 0
    return min(min(generated), int(np.median(real)) if real else min(generated))


def overlap_table(generated: Excerpts, validation: Excerpts, test: Excerpts) -> pd.DataFrame:
    """Measure how much generated music and validation music overlap with test music.

    Args:
        generated: excerpts of generated music.
        validation: excerpts of validation music; their overlap is what real music reaches.
        test: excerpts of test music, the reference.

    Returns:
        The columns measure (overlapped_area, histogram_overlap), feature (`mean` over features, then each feature),
        music (generated, validation) and value, 0 to 1.
    """
    reference = test.histograms()
    excerpt_sets = {
        "generated": [generated.histograms()] if len(generated) else [],
        "validation": [group.histograms() for group in _groups(validation, len(generated))],
    }
    rows = []
    for name, measure in {"overlapped_area": overlapped_area, "histogram_overlap": _pooled_overlap}.items():
        values = {
            (feature, music): _mean([measure(reference[feature], histograms[feature]) for histograms in sets])
            for feature in FEATURES
            for music, sets in excerpt_sets.items()
        }
        means = {("mean", music): _mean([values[feature, music] for feature in FEATURES]) for music in excerpt_sets}
        rows += [(name, feature, music, value) for (feature, music), value in (means | values).items()]
    return _table(rows, ["measure", "feature", "music", "value"])


def thirds_distance(excerpts: Excerpts) -> np.ndarray:
    """Return how different the first and the last third of the notes of each excerpt are.

    It is the mean over features of 1 - `histogram_overlap`: 0 if both thirds use the same values equally often, 1 if
    they have none in common. Music that loses its thread has a larger distance than real music has; music that goes
    round in circles a smaller one.

    Returns:
        0 to 1, shape (excerpts,); nothing if excerpts have fewer than 3 notes.
    """
    third = excerpts.length // 3
    if not third:
        return np.zeros(0)
    first = feature_histograms(excerpts.music, excerpts.starts, third)
    last = feature_histograms(excerpts.music, excerpts.starts + excerpts.length - third, third)
    overlaps = [list(map(histogram_overlap, first[feature], last[feature])) for feature in FEATURES]
    return 1 - np.mean(overlaps, axis=0)


def descriptor_table(generated: Excerpts, test: Excerpts, infills: Sequence[Excerpts]) -> pd.DataFrame:
    """Describe generated and test excerpts by repetition, simultaneous onsets, dynamics and tempo.

    Args:
        generated: excerpts of generated music.
        test: excerpts of test music.
        infills: generated music that is shorter than an excerpt, a set for each infill. It counts in max_note_repeat
            alone, where length is no advantage.

    Returns:
        The columns descriptor (functions of `descriptors`, and `thirds_distance`), music (generated, test) and value:
        the mean over excerpts, but the maximum over excerpts of max_note_repeat and max_onset_cluster.
    """
    groups = _groups(test, len(generated))
    rows = []
    for name, descriptor in _DESCRIPTORS.items():
        generated_sets = [generated, *infills] if descriptor.counts_infills else [generated]
        rows.append((name, "generated", _describe(descriptor, generated_sets)))
        rows.append((name, "test", _mean([_describe(descriptor, [group]) for group in groups])))
    distances = [thirds_distance(group).tolist() for group in groups]
    rows.append(("thirds_distance", "generated", _mean(thirds_distance(generated).tolist())))
    rows.append(("thirds_distance", "test", _mean([_mean(group) for group in distances])))
    return _table(rows, ["descriptor", "music", "value"])


def copied_run_table(
    generated: Excerpts, test: Excerpts, infills: Sequence[Excerpts], train: list[np.ndarray]
) -> pd.DataFrame:
    """Measure the longest runs of notes that also occur in training music; see `copying.longest_copied_runs`.

    Test music is not in the training split, so its values are what chance and common phrases give.

    Args:
        generated: excerpts of generated music.
        test: excerpts of test music.
        infills: generated music that is shorter than an excerpt, a set for each infill; counts in max_copied_run alone.
        train: a pitch sequence for each training piece.

    Returns:
        The columns descriptor, music (generated, test) and value, in notes: mean_copied_run is the mean over excerpts
        of each one's longest run, max_copied_run the maximum.
    """
    groups = _groups(test, len(generated))
    excerpt_sets = [generated, *infills, *groups]
    sequences = [sequence for excerpts in excerpt_sets for sequence in excerpts.pitch_sequences()]
    runs = copying.longest_copied_runs(train, sequences)
    runs_by_set = np.split(runs, np.cumsum([len(excerpts) for excerpts in excerpt_sets])[:-1])
    generated_runs, infill_runs = runs_by_set[0], runs_by_set[1 : 1 + len(infills)]
    test_runs = runs_by_set[1 + len(infills) :]
    all_generated_runs = np.concatenate([generated_runs, *infill_runs])
    rows = [
        ("mean_copied_run", "generated", generated_runs.mean() if len(generated) else None),
        ("mean_copied_run", "test", _mean([runs.mean() for runs in test_runs])),
        ("max_copied_run", "generated", all_generated_runs.max() if len(generated) else None),
        ("max_copied_run", "test", _mean([runs.max() for runs in test_runs])),
    ]
    return _table(rows, ["descriptor", "music", "value"])


def _pooled_overlap(reference: np.ndarray, others: np.ndarray) -> float | None:
    # The overlap of two sets' mean histograms; None if a set is empty.
    if not len(reference) or not len(others):
        return None
    return histogram_overlap(others.mean(axis=0), reference.mean(axis=0))


def _describe(descriptor: _Descriptor, excerpt_sets: Sequence[Excerpts]) -> float | None:
    columns = [column for excerpts in excerpt_sets for column in excerpts.column(descriptor.column)]
    return descriptor.aggregate([descriptor.measure(column) for column in columns]) if columns else None


def _groups(excerpts: Excerpts, size: int) -> list[Excerpts]:
    # Groups of `size` excerpts, each spread over the whole split; one smaller group if there are no more excerpts.
    if not size or not len(excerpts):
        return []
    count = min(MAX_GROUPS, max(1, len(excerpts) // size))
    starts = evenly_spaced(excerpts.starts, count * size)
    return [Excerpts(excerpts.music, starts[number::count], excerpts.length) for number in range(count)]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _table(rows: list[tuple], columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=columns).astype({"value": np.float64})
