"""A made-up folder reports/ for the tests of what is drawn from it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from stages.report.page import Run
from stages.report.sample_card import SampleCard
from stages.representation.grid_encoding import FIELDS
from stages.representation.note_table import sort_notes
from stages.samples.sample_set import Region, Sample
from stages.samples.sample_writer import write_samples
from stages.utils.csv_io import write_csv

TITLE = "Étude <script>alert(1)</script> & $x$ \"for 'two'\""
COMPOSER = "A. <b>Composer</b>"
SECONDS = 8.0
SAMPLE_RATE = 22050


def loss(epochs: int = 5, validation: bool = True) -> pd.DataFrame:
    """Make a reports/loss.csv with falling losses; its best validation epoch is the last but one."""
    epoch = np.arange(1, epochs + 1)
    total = 9 + 4 / epoch
    total[-1] += 0.5 * (epochs > 1)
    table = pd.DataFrame({"epoch": epoch, "learning_rate": 0.003, "notes_seen": 600_000 * epoch})
    table = table.assign(train_loss=total + 0.2, train_infill_loss=total - 0.7)
    for field, fraction in zip(("loss", *FIELDS), (1, 0.2, 0.3, 0.3, 0.2), strict=True):
        table[f"validation_{field}"] = fraction * total if validation else np.nan
    return table


def distributions(names: tuple[str, ...] = ("generated", "test", "validation")) -> pd.DataFrame:
    """Make a reports/distributions.csv: each music in a shape of its own, bins in time beginning at 0."""
    edges_of_feature = {
        "pitch": np.arange(20.5, 109),
        "step": np.append(0, np.geomspace(0.005, 10, 20)),
        "duration": np.geomspace(0.005, 30, 20),
        "velocity": np.arange(0, 129, 4) - 0.5,
    }
    parts = []
    for feature, edges in edges_of_feature.items():
        for number, music in enumerate(names):
            weight = 1 + np.arange(len(edges) - 1) % (number + 2)
            bins = {"low": edges[:-1], "high": edges[1:], "fraction": weight / weight.sum()}
            parts.append(pd.DataFrame({"feature": feature, "music": music, **bins}))
    columns = ["feature", "music", "low", "high", "fraction"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def splits() -> pd.DataFrame:
    """Make a reports/splits.csv."""
    return pd.DataFrame(
        {"split": ["train", "validation", "test"], "pieces": 3, "notes": [1_500_000, 40_000, 50_000], "hours": 1.25}
    )


def quantiles() -> pd.DataFrame:
    """Make a reports/quantiles.csv."""
    rows = [
        (split, feature, quantile, (number + 1) * quantile)
        for split in ("train", "validation", "test")
        for number, feature in enumerate(("step", "key_duration", "sounding_duration", "pitch", "velocity"))
        for quantile in (0.05, 0.25, 0.5, 0.75, 0.95)
    ]
    return pd.DataFrame(rows, columns=["split", "feature", "quantile", "value"])


def unreadable() -> pd.DataFrame:
    """Make a reports/unreadable.csv with two files."""
    return pd.DataFrame({"file": ["a.mid", "folder/b.mid"], "reason": ["not a MIDI file", "no notes"]})


def parameters() -> pd.DataFrame:
    """Make a reports/parameters.csv with 12,345 parameters."""
    return pd.DataFrame(
        {
            "weight": ["forward_lstm/kernel", "forward_lstm/bias"],
            "shape": ["3x4000", "345"],
            "parameters": [12_000, 345],
        }
    )


def nll(test: bool = True) -> pd.DataFrame:
    """Make a reports/nll.csv, without the rows of test music if there is none."""
    totals = {"validation": 9.25}
    if test:
        totals |= {"test": 9.5, "test_unshared_titles": 9.6, "unigram": 14.5}
        totals |= {"infill_gap_1": 7.25, "infill_gap_4": 8.75}
    rows = []
    for music, total in totals.items():
        rows.append((music, "total", total))
        if music != "test_unshared_titles":
            rows += [(music, field, total / 4) for field in FIELDS]
    return pd.DataFrame(rows, columns=["music", "note_field", "nll"])


def sample_nll() -> pd.DataFrame:
    """Make a reports/sample_nll.csv."""
    rows = [
        (music, field, total if field == "total" else total / 4)
        for music, total in {"generated": 8.25, "test": 9.75}.items()
        for field in ("total", *FIELDS)
    ]
    return pd.DataFrame(rows, columns=["music", "note_field", "nll"])


def overlap() -> pd.DataFrame:
    """Make a reports/overlap.csv."""
    values = {
        ("overlapped_area", "generated"): 0.8,
        ("overlapped_area", "validation"): 0.9,
        ("histogram_overlap", "generated"): 0.75,
        ("histogram_overlap", "validation"): 0.85,
    }
    rows = [
        (measure, feature, music, value)
        for feature in ("mean", "pitch", "notes_per_second")
        for (measure, music), value in values.items()
    ]
    return pd.DataFrame(rows, columns=["measure", "feature", "music", "value"])


def descriptors(excerpts: int = 2) -> pd.DataFrame:
    """Make a reports/descriptors.csv, whose values are missing if there are no generated excerpts."""
    values = {
        "repeated_note_rate": (0.031, 0.027),
        "max_note_repeat": (5, np.nan),
        "same_onset_rate": (0.24, 0.19),
        "mean_copied_run": (7.1, 9.8),
        "max_copied_run": (12, 16.1),
    }
    if not excerpts:
        values = dict.fromkeys(values, (np.nan, np.nan))
    values |= {"excerpt_notes": (24 * (excerpts > 0), 24 * (excerpts > 0)), "excerpts": (excerpts, 9)}
    rows = [
        (name, music, value)
        for name, pair in values.items()
        for music, value in zip(("generated", "test"), pair, strict=True)
    ]
    return pd.DataFrame(rows, columns=["descriptor", "music", "value"])


def notebook() -> dict:
    """Make the part `played` of benchmarks/results/notebook.json."""
    area = {"mean": 0.31, "pitch": 0.32, "notes_per_second": 0.33}
    return {"excerpt_notes": 600, "overlapped_area": area, "same_onset_rate": 0.93}


def notes(count: int = 24) -> pd.DataFrame:
    """Make the notes of a sample: a scale over `SECONDS` that grows louder; its first quarter is real music."""
    number = np.arange(count)
    table = pd.DataFrame(
        {"start": number * SECONDS / count, "pitch": 48 + number, "velocity": 5 + number * 122 // count}
    )
    duration = np.float32(SECONDS / count)
    table = table.assign(key_duration=duration, sounding_duration=duration, generated=number >= count // 4)
    return sort_notes(table.astype({"pitch": np.uint8, "velocity": np.uint8}))


def samples() -> list[Sample]:
    """Make one sample of each kind."""
    gap = Region("infill", 2.0, 4.0)
    regions = {
        "improvisation": (),
        "continuation": (Region("prompt", 0.5, 4.0),),
        "infill": (gap,),
        "original": (gap,),
    }
    return [
        Sample(
            name=f"{kind}-1",
            kind=kind,
            title="" if kind == "improvisation" else TITLE,
            composer="" if kind == "improvisation" else COMPOSER,
            seconds=SECONDS,
            notes=24,
            regions=of_kind,
        )
        for kind, of_kind in regions.items()
    ]


def card(table: pd.DataFrame | None = None, **changed: object) -> SampleCard:
    """Make the card of an improvisation with other notes or other attributes of `Sample`."""
    about = samples()[0].__dict__ | changed
    return SampleCard(Sample(**about), notes() if table is None else table)


def run(**changed: object) -> Run:
    """Make a run with everything in it; `changed` replaces attributes."""
    attributes = {
        "dataset_title": "Music & <i>more</i>",
        "sources": ["Licence <x>", "Someone. A title. 2019."],
        "show_published": True,
        "params": {"train": {"lstm_units": 384, "stateful": True, "epochs": 9}, "generate": {"top_p": [1.0, 0.98]}},
        "splits": splits(),
        "loss": loss(),
        "parameters": 12_345,
        "nll": nll(),
        "sample_nll": sample_nll(),
        "overlap": overlap(),
        "descriptors": descriptors(),
        "distributions": distributions(),
        "cards": [SampleCard(sample, notes()) for sample in samples()],
    }
    return Run(**(attributes | changed))


def write(folder: Path, some_samples: Sequence[Sample] | None = None, **changed: pd.DataFrame) -> None:
    """Write a folder of reports.

    Args:
        folder: where.
        some_samples: instead of one sample of each kind.
        changed: tables instead of those above, by the name of their file, such as `nll`.
    """
    some_samples = samples() if some_samples is None else some_samples
    tables = {
        "splits": splits(),
        "loss": loss(),
        "parameters": parameters(),
        "nll": nll(),
        "sample_nll": sample_nll(),
        "overlap": overlap(),
        "descriptors": descriptors(),
        "distributions": distributions(),
    }
    for name, table in (tables | changed).items():
        write_csv(folder / f"{name}.csv", table)
    write_samples(folder / "samples", [(sample, notes()) for sample in some_samples], [])
    (folder / "audio").mkdir()
    tone = 0.2 * np.sin(2 * np.pi * 220 * np.arange(int(SECONDS * SAMPLE_RATE)) / SAMPLE_RATE)
    for sample in some_samples:
        soundfile.write(folder / "audio" / f"{sample.name}.mp3", tone, SAMPLE_RATE, format="MP3")
