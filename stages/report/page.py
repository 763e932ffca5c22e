"""The report of a run as one HTML page.

The page needs no network and no server. Sound and MIDI files lie next to it, in audio/ and samples/; everything else
is inside. page.html is its text and structure, page.css its look, page.js moves the playheads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from stages.report import figures, formatting, tables
from stages.report.sample_card import CardRow, SampleCard, group_cards, make_row
from stages.report.tables import TrainingSummary
from stages.representation.grid_encoding import FIELDS

FOLDER = Path(__file__).parent

FILTERS = {
    "count": formatting.format_count,
    "fixed": formatting.format_fixed,
    "fraction": formatting.format_fraction,
    "duration": formatting.format_duration,
    "words": formatting.format_words,
    "param": formatting.format_param,
    "css_percent": formatting.css_percent,
}
"""Filters of the template."""


@dataclass(frozen=True)
class Run:
    """Everything that the page shows; the tables are the CSV files in reports/ of the same names."""

    dataset_title: str
    sources: Sequence[str]  # where the data are from, licence, citation: paragraphs of plain text
    show_published: bool  # whether published results are about this data set
    params: Mapping[str, Mapping[str, Any]]  # sections of params.yaml
    splits: pd.DataFrame
    loss: pd.DataFrame
    parameters: int  # of the network
    nll: pd.DataFrame
    sample_nll: pd.DataFrame
    overlap: pd.DataFrame
    descriptors: pd.DataFrame
    distributions: pd.DataFrame
    cards: Sequence[SampleCard]
    notebook: Mapping[str, Any] | None = None  # `played` of benchmarks/results/notebook.json


@dataclass(frozen=True)
class Chart:
    """A chart of the page, and what it shows in words."""

    heading: str
    drawing: Markup
    description: str


def render_page(run: Run) -> str:
    """Return the whole page as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.filters |= FILTERS
    training = tables.summarize_training(run.loss)
    train_split = run.splits.set_index("split").to_dict("index")["train"]
    nll = tables.nested_values(run.nll, "music", "note_field", "nll")
    sample_nll = tables.nested_values(run.sample_nll, "music", "note_field", "nll")
    descriptors = tables.nested_values(run.descriptors, "descriptor", "music", "value")
    page = environment.get_template("page.html").render(
        run=run,
        css=Markup((FOLDER / "page.css").read_text(encoding="utf-8").strip()),
        js=Markup((FOLDER / "page.js").read_text(encoding="utf-8").strip()),
        banner=_banner(run.cards),
        training=training,
        stopped_early=training.epochs < run.params["train"]["epochs"],
        train_split=train_split,
        passes=f"{training.notes_seen / max(train_split['notes'], 1):.1f}",
        nll_comparison=tables.nll_comparison(nll, run.show_published),
        nll_fields=("total", *FIELDS),
        nll_by_field=tables.nll_by_field(nll, sample_nll),
        unshared_titles_nll=nll.get("test_unshared_titles", {}).get("total"),
        loss_charts=_loss_charts(run.loss, training),
        distribution_charts=_distribution_charts(run.distributions),
        overlap=tables.overlap_rows(run.overlap),
        descriptors=descriptors,
        descriptor_rows=tables.descriptor_rows(descriptors),
        groups=group_cards(run.cards),
    )
    return page + "\n"


def _banner(cards: Sequence[SampleCard]) -> CardRow | None:
    card = next((card for card in cards if card.kind != "original" and len(card.notes)), None)
    return make_row([card]) if card else None


def _loss_charts(loss: pd.DataFrame, training: TrainingSummary) -> list[Chart]:
    panels = figures.loss_panels(loss)
    description = (
        f"Line chart: training loss from {training.first_loss:.2f} to {training.last_loss:.2f} nats per note"
        f" in {training.epochs} epochs"
    )
    if pd.notna(training.best_validation_loss):
        description += f"; lowest validation loss {training.best_validation_loss:.2f} after epoch {training.best_epoch}"
    return [
        Chart("Loss", Markup(panels["total"]), f"{description}."),
        Chart(
            "Validation loss by field",
            Markup(panels["fields"]),
            "Line chart: validation loss of step, pitch, duration and velocity over training.",
        ),
    ]


def _distribution_charts(distributions: pd.DataFrame) -> list[Chart]:
    panels = figures.distribution_panels(distributions)
    return [
        Chart(axis.heading, Markup(panels[feature]), f"Histogram of {feature}: {_peaks(distributions, feature)}.")
        for feature, axis in figures.FEATURE_AXES.items()
    ]


def _peaks(distributions: pd.DataFrame, feature: str) -> str:
    peaks = []
    for music, label in {"generated": "generated music", "test": "test music"}.items():
        bins = distributions[(distributions["feature"] == feature) & (distributions["music"] == music)]
        if len(bins):
            peak = bins.loc[bins["fraction"].idxmax()]
            percent = 100 * peak["fraction"]
            peaks.append(
                f"{label} peaks between {peak['low']:g} and {peak['high']:g} with {percent:.0f} % of the notes"
            )
    return "; ".join(peaks) or "no notes"
