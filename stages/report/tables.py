"""What the page's tables and sentences say, computed from the CSV files in reports/."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from stages.report.formatting import format_fraction, format_significant, format_words

PUBLISHED_NLL = {
    "Performance RNN, an LSTM on events": 7.94,
    "Music Transformer": 7.42,
}
"""Approximate nats per note on MAESTRO's test split: 1.969 and 1.840 nats per event (Huang et al., Music Transformer,
ICLR 2019) times the split's 4.033 events per note."""


@dataclass(frozen=True)
class DescriptorLabel:
    """How a descriptor of reports/descriptors.csv is shown."""

    text: str
    is_fraction: bool = False


DESCRIPTOR_LABELS = {
    "repeated_note_rate": DescriptorLabel("notes with the pitch of the previous note", True),
    "max_note_repeat": DescriptorLabel("most successive notes of one pitch", False),
    "repeated_ngram_rate": DescriptorLabel("sequences of eight pitches that occurred before", True),
    "same_onset_rate": DescriptorLabel("notes with the same onset as the previous note", True),
    "max_onset_cluster": DescriptorLabel("largest fraction of an excerpt’s notes at one onset", True),  # noqa: RUF001
    "velocity_std": DescriptorLabel("standard deviation of velocity"),
    "tempo_drift": DescriptorLabel("tempo change from first to second half, in powers of two"),
    "thirds_distance": DescriptorLabel("difference between the first and the last third, 0 to 1"),
    "mean_copied_run": DescriptorLabel("successive notes also found in training music, mean over excerpts"),
    "max_copied_run": DescriptorLabel("successive notes also found in training music, maximum"),
}


@dataclass(frozen=True)
class NllRow:
    """A row of the table that compares models: its name, nats per note, and CSS class."""

    label: str
    nll: float
    css_class: str  # baseline, model or published


@dataclass(frozen=True)
class OverlapRow:
    """A row of the table of overlaps with test music, 0 to 1 each; NaN where there is too little music."""

    feature: str
    generated_area: float
    validation_area: float
    generated_histogram: float
    validation_histogram: float


@dataclass(frozen=True)
class TrainingSummary:
    """How training went."""

    best_epoch: int
    epochs: int
    notes_seen: int
    first_loss: float  # training loss after the first epoch, nats per note
    last_loss: float  # training loss after the last epoch
    best_validation_loss: float  # NaN without validation music


def best_row(loss: pd.DataFrame) -> pd.Series:
    """Return the row of reports/loss.csv with the lowest validation loss, or training loss if there is no validation.

    Of equal losses, the first counts.
    """
    column = "validation_loss" if loss["validation_loss"].notna().any() else "train_loss"
    return loss.loc[loss[column].idxmin()]


def summarize_training(loss: pd.DataFrame) -> TrainingSummary:
    """Sum up reports/loss.csv."""
    best = best_row(loss)
    return TrainingSummary(
        best_epoch=int(best["epoch"]),
        epochs=len(loss),
        notes_seen=int(loss["notes_seen"].max()),
        first_loss=loss["train_loss"].iloc[0],
        last_loss=loss["train_loss"].iloc[-1],
        best_validation_loss=best["validation_loss"],
    )


def nested_values(table: pd.DataFrame, outer: str, inner: str, value: str) -> dict[str, dict[str, float]]:
    """Return a long table as nested dictionaries, in its order, without missing values.

    Args:
        table: one row for each pair of names.
        outer: the column of the outer names.
        inner: the column of the inner names.
        value: the column of the values.
    """
    groups = table[table[value].notna()].groupby(outer, sort=False)
    return {name: dict(zip(group[inner], group[value], strict=True)) for name, group in groups}


def nll_comparison(nll: Mapping[str, Mapping[str, float]], show_published: bool) -> list[NllRow]:
    """Return the nats per note of this network on test music between those of other models.

    Args:
        nll: nats per note by music and field, see `nested_values`.
        show_published: whether `PUBLISHED_NLL` was measured on the same data set.

    Returns:
        The rows, highest first; none if there is no test music.
    """
    if "test" not in nll:
        return []
    rows = [
        NllRow("unigram model, no context", nll["unigram"]["total"], "baseline"),
        NllRow("this network", nll["test"]["total"], "model"),
    ]
    if show_published:
        rows += [NllRow(name, value, "published") for name, value in PUBLISHED_NLL.items()]
    return rows


def nll_by_field(
    nll: Mapping[str, Mapping[str, float]], sample_nll: Mapping[str, Mapping[str, float]]
) -> dict[str, Mapping[str, float]]:
    """Return the rows of the table of nats per note by field: a label, and the values by field.

    Args:
        nll: reports/nll.csv: nats per note by music and field, see `nested_values`.
        sample_nll: reports/sample_nll.csv, likewise.
    """
    labels = {"test": "test", "validation": "validation"}
    for music in nll:
        if music.startswith("infill_gap_"):
            gap = int(music.removeprefix("infill_gap_"))
            labels[music] = f"test, infill, gap of {gap} note{'s' * (gap != 1)}"
    labels["unigram"] = "test, unigram model"
    sample_labels = {"test": "test, excerpts as long as a sample", "generated": "the network's own improvisations"}
    return {label: nll[music] for music, label in labels.items() if music in nll} | {
        label: sample_nll[music] for music, label in sample_labels.items() if music in sample_nll
    }


def overlap_rows(overlap: pd.DataFrame) -> list[OverlapRow]:
    """Return the rows of the table of overlaps.

    Args:
        overlap: reports/overlap.csv.
    """
    values = overlap.set_index(["measure", "music", "feature"])["value"]
    return [
        OverlapRow(
            feature,
            generated_area=values.get(("overlapped_area", "generated", feature), float("nan")),
            validation_area=values.get(("overlapped_area", "validation", feature), float("nan")),
            generated_histogram=values.get(("histogram_overlap", "generated", feature), float("nan")),
            validation_histogram=values.get(("histogram_overlap", "validation", feature), float("nan")),
        )
        for feature in overlap["feature"].unique()
    ]


def descriptor_rows(descriptors: Mapping[str, Mapping[str, float]]) -> list[tuple[str, str, str]]:
    """Return the rows of the table of descriptors: label, value of generated and of test music, as text.

    Args:
        descriptors: values by descriptor and music, see `nested_values`.
    """
    rows = []
    for name, values in descriptors.items():
        if name in ("excerpt_notes", "excerpts"):
            continue
        label = DESCRIPTOR_LABELS.get(name, DescriptorLabel(format_words(name)))
        format_value = format_fraction if label.is_fraction else format_significant
        rows.append((label.text, format_value(values.get("generated")), format_value(values.get("test"))))
    return rows
