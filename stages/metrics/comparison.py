"""How close generated music comes to real music, and how close real music itself would come.

Generated music is some samples of some hundred notes. Comparing them with whole test pieces would measure their number
and length as much as their style, so all music is cut into excerpts of equally many notes, and every figure of the
generated excerpts stands beside the same figure for as many real ones: the mean over groups of real excerpts that each
take the place of the generated ones. Which real excerpts these are is fixed, evenly spaced over the split.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stages.metrics import copying, descriptors, excerpts, note_features, overlap
from stages.metrics.excerpts import evenly_spaced

MAX_REFERENCE_EXCERPTS = 240
"""At most so many test excerpts are what everything else is compared with."""

MAX_GROUPS = 24
"""At most so many groups of real excerpts take the place of the generated ones."""

_HABITS: dict[str, tuple[Callable[[np.ndarray], float], str, Callable[[list[float]], float]]] = {
    # name: measure of an excerpt, the column it looks at, and how a set of excerpts is summed up
    "repeated_notes": (descriptors.repeated_note_rate, "pitch", np.mean),
    "longest_repeat": (descriptors.max_note_repeat, "pitch", max),
    "repeated_phrases": (descriptors.repeated_ngram_rate, "pitch", np.mean),
    "struck_together": (descriptors.same_onset_rate, "cell", np.mean),
    "largest_instant": (descriptors.max_onset_cluster, "cell", max),
    "velocity_spread": (descriptors.velocity_std, "velocity", np.mean),
    "tempo_drift": (descriptors.tempo_drift, "cell", np.mean),
}


@dataclass(frozen=True)
class Excerpts:
    """Stretches of `length` notes of a described table, beginning at its rows `starts`."""

    music: pd.DataFrame
    starts: np.ndarray
    length: int

    def __len__(self) -> int:
        return len(self.starts)

    def histograms(self) -> dict[str, np.ndarray]:
        """See `statistics.histograms`."""
        return note_features.feature_histograms(self.music, self.starts, self.length)

    def column(self, name: str) -> list[np.ndarray]:
        """The values of one column, an array for each excerpt."""
        values = self.music[name].to_numpy()
        return [values[start : start + self.length] for start in self.starts]

    def melodies(self) -> list[np.ndarray]:
        """See `melodies.melodies`."""
        excerpts = (self.music.iloc[start : start + self.length] for start in self.starts)
        return [line for excerpt in excerpts for line in copying.pitch_sequences(excerpt)]


def cut_excerpts(music: pd.DataFrame, length: int, most: int | None = None) -> Excerpts:
    """Cut every piece of a described table into excerpts of `length` notes, `most` of them, evenly spaced, or all."""
    starts = excerpts.excerpt_starts(music["piece"].to_numpy(), length)
    return Excerpts(music, starts if most is None else excerpts.evenly_spaced(starts, most), length)


def excerpt_length(generated: list[int], real: list[int]) -> int:
    """How many notes an excerpt has, given the numbers of notes of the samples and of the real pieces.

    The shortest sample's, but no more than half of the real pieces have; 0 without samples.
    """
    if not generated:
        return 0
    return min(min(generated), int(np.median(real)) if real else min(generated))


def overlaps(generated: Excerpts, validation: Excerpts, test: Excerpts) -> dict:
    """Both overlaps of generated with test music and of validation with test music, the ceiling, for every feature.

    Returns {"overlapped_area": {feature: {"generated", "ceiling"}}, "histogram_overlap": {the same}}, 0 to 1 each and
    None where there is too little music, with the mean over features as a first feature `mean`.
    """
    reference = test.histograms()
    sources = {
        "generated": [generated.histograms()] if len(generated) else [],
        "ceiling": [group.histograms() for group in _groups(validation, len(generated))],
    }

    def area(one: np.ndarray, feature: str) -> float | None:
        return overlap.overlapped_area(reference[feature], one)

    def pooled(one: np.ndarray, feature: str) -> float | None:
        if not len(test):
            return None
        return overlap.histogram_overlap(one.mean(axis=0), reference[feature].mean(axis=0))

    report = {}
    for name, measure in {"overlapped_area": area, "histogram_overlap": pooled}.items():
        table = {
            feature: {
                source: _mean([measure(shares[feature], feature) for shares in sets])
                for source, sets in sources.items()
            }
            for feature in note_features.FEATURES
        }
        means = {source: _mean([values[source] for values in table.values()]) for source in sources}
        report[name] = {"mean": means, **table}
    return report


def compare_descriptors(generated: Excerpts, test: Excerpts, fillings: Sequence[Excerpts]) -> dict:
    """What an excerpt does, generated against real: {measure: {"generated", "test"}}.

    Means over excerpts, but for `longest_repeat` and `largest_instant` the largest of all excerpts. See `statistics`.
    `fillings` are generated too, but shorter; they count where length is no advantage, in `longest_repeat`.
    """
    groups = list(_groups(test, len(generated)))
    report = {}
    for name, (measure, column, summary) in _HABITS.items():

        def figure(*sets: Excerpts, measure=measure, column=column, summary=summary) -> float | None:
            values = [measure(values) for excerpts in sets for values in excerpts.column(column)]
            return summary(values) if values else None

        played = [generated, *fillings] if name == "longest_repeat" else [generated]
        report[name] = {"generated": figure(*played), "test": _mean([figure(group) for group in groups])}
    return report


def copied_runs(generated: Excerpts, test: Excerpts, fillings: Sequence[Excerpts], train: list[np.ndarray]) -> dict:
    """The longest runs of notes copied from `train` (melodies), in notes: {"mean", "longest"}: {"generated", "test"}.

    Test music is new to the train split, so its figure is what chance and common turns of phrase give. `mean` is over
    the excerpts' longest runs, `longest` the longest of all excerpts, those of `fillings` included.
    """
    groups = list(_groups(test, len(generated)))
    sets = [generated, *fillings, *groups]
    runs = copying.longest_copied_runs(train, [line for excerpts in sets for line in excerpts.melodies()])
    runs = np.split(runs, np.cumsum([len(excerpts) for excerpts in sets])[:-1])
    played, real = runs[: 1 + len(fillings)], runs[1 + len(fillings) :]

    def figures(generated: np.ndarray, summary: Callable[[np.ndarray], float]) -> dict[str, float | None]:
        return {
            "generated": summary(generated) if len(generated) else None,
            "test": _mean([summary(runs) for runs in real]),
        }

    return {"mean": figures(played[0], np.mean), "longest": figures(np.concatenate(played), np.max)}


def _groups(excerpts: Excerpts, size: int) -> Iterator[Excerpts]:
    # Groups of `size` excerpts, each spread over the whole split; one smaller group if there are no more excerpts.
    if not size or not len(excerpts):
        return
    count = min(MAX_GROUPS, max(1, len(excerpts) // size))
    chosen = evenly_spaced(excerpts.starts, count * size)
    for number in range(count):
        yield Excerpts(excerpts.music, chosen[number::count], excerpts.length)


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
