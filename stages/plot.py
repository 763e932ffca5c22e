"""Draw the run: everything in reports/ -> reports/figures/*.png and the page reports/index.html."""

import json
from pathlib import Path

import pandas as pd

from stages.datasets import catalog
from stages.report import figures, page
from stages.representation.note_table import read_notes
from stages.utils.atomic import atomic_directory, atomic_file
from stages.utils.errors import InputError
from stages.utils.params import Params
from stages.utils.runner import run_stage

REPORTS, DATA = Path("reports"), Path("data")
SAMPLES, AUDIO = REPORTS / "samples", REPORTS / "audio"
FIGURES, PAGE = REPORTS / "figures", REPORTS / "index.html"
NOTEBOOK = Path("benchmarks/results/notebook.json")  # measured on MAESTRO by benchmarks/notebook.py, and committed


def main(params: Params) -> None:
    """Write every figure anew, then the page."""
    data_set = catalog.read_record(catalog.find_dataset(DATA, params.dataset))
    comparable = bool(data_set) and data_set.name == "maestro"
    training = _read("training.json")
    loss, distributions = pd.read_csv(REPORTS / "loss.csv"), pd.read_csv(REPORTS / "distributions.csv")
    samples = _samples()

    with atomic_directory(FIGURES) as folder:
        figures.save(figures.loss(loss, training["best_epoch"]), folder / "loss.png", params.plot.dpi)
        figures.save(figures.distributions(distributions), folder / "distributions.png", params.plot.dpi)
        for sample in samples:
            roll = figures.roll(sample.notes, sample.regions, sample.seconds, sample.caption)
            figures.save(roll, folder / f"roll-{sample.name}.png", params.plot.dpi)

    html = page.render(
        page.Run(
            data_set=data_set.title if data_set else Path(params.dataset).name,
            sources=[f"Data: {data_set.title}, {data_set.homepage}. {data_set.licence}.", data_set.citation]
            if data_set
            else [],
            comparable=comparable,
            notebook=json.loads(NOTEBOOK.read_text(encoding="utf-8"))["played"] if comparable else None,
            settings={
                "train.units": params.train.units,
                "train.trunk": params.train.trunk,
                "train.head": params.train.head,
                "train.learning_rate": params.train.learning_rate,
                "train.seed": params.train.seed,
                "generate.temperature": _each(params.generate.temperature),
                "generate.top_p": _each(params.generate.top_p),
                "generate.min_p": _each(params.generate.min_p),
                "generate.steadiness": params.generate.steadiness,
                "generate.revisions": params.generate.revisions,
                "generate.seed": params.generate.seed,
            },
            corpus=_read("corpus.json"),
            training=training,
            likelihood=_read("likelihood.json"),
            similarity=_read("similarity.json"),
            loss=loss,
            distributions=distributions,
            samples=samples,
        )
    )
    with atomic_file(PAGE) as part:
        part.write_text(html, encoding="utf-8", newline="\n")


def _each(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in (values[:1] if len(set(values)) == 1 else values))


def _samples() -> list[page.Sample]:
    about = json.loads((SAMPLES / "samples.json").read_text(encoding="utf-8"))
    notes = read_notes(SAMPLES / "notes.parquet")
    samples = []
    for piece, entry in enumerate(about):
        for file in (SAMPLES / f"{entry['name']}.mid", AUDIO / f"{entry['name']}.mp3"):
            if not file.is_file():
                raise InputError(f"{file}: not found, so the page would link to nothing; run `dvc repro`")
        values = {key: entry[key] for key in ("name", "kind", "title", "composer", "seconds", "regions")}
        samples.append(page.Sample(**values, notes=notes[notes["piece"] == piece]))
    return samples


def _read(name: str) -> dict:
    return json.loads((REPORTS / name).read_text(encoding="utf-8"))


if __name__ == "__main__":
    run_stage(main)
