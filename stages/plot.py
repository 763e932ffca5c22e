"""Draw a run: figures, and the page that shows and plays everything.

Reads reports/splits.csv, loss.csv, parameters.csv, nll.csv, sample_nll.csv, overlap.csv, descriptors.csv and
distributions.csv, reports/samples, reports/audio, the catalog record of the data set, and, if that is MAESTRO,
benchmarks/results/notebook.json.

Writes
- reports/figures/loss.png, distributions.png and roll-<sample>.png for each sample;
- reports/index.html.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stages.datasets import catalog
from stages.params.plot import PlotParams
from stages.report import figures, page
from stages.report.fonts import REPLACEMENT, make_drawable
from stages.report.roll_figure import draw_piano_roll
from stages.report.sample_card import SampleCard
from stages.report.style import save_figure
from stages.samples.sample_set import read_samples
from stages.utils import paths
from stages.utils.atomic import atomic_directory, atomic_file
from stages.utils.csv_io import read_csv
from stages.utils.errors import InputError
from stages.utils.json_io import read_json
from stages.utils.runner import run_stage

NOTEBOOK = Path("benchmarks/results/notebook.json")
"""Results of the notebook that the project started from; measured on MAESTRO by benchmarks/notebook.py."""


def main(dataset: str, train: dict[str, Any], generate: dict[str, Any], plot: PlotParams) -> None:
    """Draw all figures again, then the page."""
    run = read_run(dataset, {"train": train, "generate": generate})
    write_figures(run, plot.dpi)
    html = page.render_page(run)
    with atomic_file(paths.PAGE) as part:
        part.write_text(html, encoding="utf-8", newline="\n")


def read_run(dataset: str, params: dict[str, dict[str, Any]]) -> page.Run:
    """Read everything that the page shows.

    Args:
        dataset: its name in params.yaml.
        params: the sections of params.yaml to show.

    Raises:
        InputError: a file is missing or unreadable.
    """
    record = catalog.read_record(catalog.find_dataset(paths.DATA, dataset))
    is_maestro = record is not None and record.name == "maestro"
    sources = [f"Data: {record.title}, {record.homepage}. {record.licence}.", record.citation] if record else []
    return page.Run(
        dataset_title=record.title if record else Path(dataset).name,
        sources=sources,
        show_published=is_maestro,
        params=params,
        splits=read_csv(paths.REPORTS / "splits.csv"),
        loss=read_csv(paths.REPORTS / "loss.csv"),
        parameters=int(read_csv(paths.REPORTS / "parameters.csv")["parameters"].sum()),
        nll=read_csv(paths.REPORTS / "nll.csv"),
        sample_nll=read_csv(paths.REPORTS / "sample_nll.csv"),
        overlap=read_csv(paths.REPORTS / "overlap.csv"),
        descriptors=read_csv(paths.REPORTS / "descriptors.csv"),
        distributions=read_csv(paths.REPORTS / "distributions.csv"),
        cards=read_cards(),
        notebook=read_json(NOTEBOOK)["played"] if is_maestro else None,
    )


def read_cards() -> list[SampleCard]:
    """Read the samples with their notes.

    Raises:
        InputError: a file is missing, also one that the page only links to.
    """
    samples, notes = read_samples(paths.SAMPLES)
    for sample in samples:
        for file in (paths.SAMPLES / f"{sample.name}.mid", paths.AUDIO / f"{sample.name}.mp3"):
            if not file.is_file():
                raise InputError(f"{file}: not found, so the page would link to nothing; run `dvc repro`")
    return [SampleCard(sample, notes[notes["piece"] == piece]) for piece, sample in enumerate(samples)]


def write_figures(run: page.Run, dpi: int) -> None:
    """Replace the folder of figures.

    Args:
        run: what to draw.
        dpi: resolution.
    """
    with atomic_directory(paths.FIGURES) as folder:
        save_figure(figures.draw_loss(run.loss), folder / "loss.png", dpi)
        save_figure(figures.draw_distributions(run.distributions), folder / "distributions.png", dpi)
        write_piano_rolls(run.cards, folder, dpi)


def write_piano_rolls(cards: Sequence[SampleCard], folder: Path, dpi: int) -> None:
    """Write roll-<sample>.png for each sample into `folder`; say which characters of titles cannot be drawn."""
    for card in cards:
        roll = draw_piano_roll(card.notes, card.sample.regions, card.sample.seconds, card.caption)
        save_figure(roll, folder / f"roll-{card.name}.png", dpi)
    if missing := {character for card in cards for character in make_drawable(card.caption).missing}:
        named = "".join(
            sorted(each if each.isprintable() else each.encode("unicode_escape").decode() for each in missing)
        )
        print(
            f"titles in figures: no font here has {named}, so {REPLACEMENT} stands in their place; install one that"
            " has them, such as Noto Sans CJK, then `dvc repro --force --single-item plot`",
            file=sys.stderr,
        )


if __name__ == "__main__":
    run_stage(main, dataset=str, train=dict[str, Any], generate=dict[str, Any], plot=PlotParams)
