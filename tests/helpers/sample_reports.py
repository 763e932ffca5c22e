"""A run's reports/ folder made by hand, for the tests of what is drawn from it."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from stages.midi.midi_io import write_midi
from stages.representation.note_table import sort_notes, write_notes

FIELDS = ("step", "pitch", "duration", "velocity")
TITLE = "Étude <script>alert(1)</script> & $x$ \"for 'two'\""
SECONDS = 8.0


def loss(epochs: int = 5, validation: bool = True) -> pd.DataFrame:
    """A table like reports/loss.csv, falling; its best validation epoch is the last but one."""
    epoch = np.arange(1, epochs + 1)
    total = 9 + 4 / epoch
    total[-1] += 0.5 * (epochs > 1)
    table = pd.DataFrame({"epoch": epoch, "learning_rate": 0.003, "notes": 600_000 * epoch})
    table = table.assign(loss=total + 0.2, infill_loss=total - 0.7)
    for field, share in zip(("loss", *FIELDS), (1, 0.2, 0.3, 0.3, 0.2), strict=True):
        table[f"validation_{field}"] = share * total if validation else np.nan
    return table


def distributions(sources: tuple[str, ...] = ("generated", "test", "validation")) -> pd.DataFrame:
    """A table like reports/distributions.csv: each source in a shape of its own, bins in time beginning at 0."""
    edges = {
        "pitch": np.arange(20.5, 109),
        "step": np.append(0, np.geomspace(0.005, 10, 20)),
        "duration": np.geomspace(0.005, 30, 20),
        "velocity": np.arange(0, 129, 4) - 0.5,
    }
    parts = []
    for feature, edge in edges.items():
        for number, source in enumerate(sources):
            weight = 1 + np.arange(len(edge) - 1) % (number + 2)
            bins = {"low": edge[:-1], "high": edge[1:], "share": weight / weight.sum()}
            parts.append(pd.DataFrame({"feature": feature, "source": source, **bins}))
    columns = ["feature", "source", "low", "high", "share"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def notes(count: int = 24) -> pd.DataFrame:
    """A scale over `SECONDS`, louder and louder, its first quarter real."""
    number = np.arange(count)
    table = pd.DataFrame(
        {"start": number * SECONDS / count, "pitch": 48 + number, "velocity": 5 + number * 122 // count}
    )
    length = np.float32(SECONDS / count)
    table = table.assign(duration=length, sustained=length, generated=number >= count // 4)
    return sort_notes(table.astype({"pitch": np.uint8, "velocity": np.uint8}))


def samples() -> list[dict]:
    """A list like reports/samples/samples.json with one sample of each kind."""
    gap = [{"kind": "filled", "start": 2.0, "end": 4.0}]
    kinds = {
        "improvisation": [],
        "continuation": [gap[0] | {"kind": "prompt", "start": 0.5}],
        "filling": gap,
        "original": gap,
    }
    return [
        {
            "name": f"{kind}-1",
            "kind": kind,
            "title": "" if kind == "improvisation" else TITLE,
            "composer": "" if kind == "improvisation" else "A. <b>Composer</b>",
            "seconds": SECONDS,
            "notes": 24,
            "regions": regions,
        }
        for kind, regions in kinds.items()
    ]


def corpus() -> dict:
    """What is read of reports/corpus.json."""
    return {split: {"pieces": 3, "notes": 1_500_000, "hours": 1.25} for split in ("train", "validation", "test")}


def training(table: pd.DataFrame) -> dict:
    """A reports/training.json that fits `table`."""
    best = table["validation_loss"].idxmin() if table["validation_loss"].notna().any() else table["loss"].idxmin()
    fields = {name: table[f"validation_{name}"][best] for name in ("loss", *FIELDS)}
    return {
        "best_epoch": int(table["epoch"][best]),
        "epochs": len(table),
        "stopped_early": True,
        "parameters": 12_345,
        "notes_seen": int(table["notes"].max()),
        "train_loss": float(table["loss"][best]),
        "validation_loss": {name: None if np.isnan(value) else float(value) for name, value in fields.items()},
    }


def likelihood() -> dict:
    """A reports/likelihood.json."""

    def nats(total: float) -> dict[str, float]:
        return {"total": total} | dict.fromkeys(FIELDS, total / 4)

    return {
        "validation": nats(9.25),
        "test": nats(9.5),
        "unigram": nats(14.5),
        "infill": {"gap_1": nats(7.25), "gap_4": nats(8.75)},
        "test_without_shared_titles": 9.6,
        "bits_per_second": 120.0,
        "notes": {"validation": 10, "test": 20},
    }


def similarity() -> dict:
    """A reports/similarity.json."""
    area = {name: {"generated": 0.8, "ceiling": 0.9} for name in ("mean", "pitch", "notes_per_second")}
    return {
        "excerpts": {"notes": 24, "generated": 2, "test": 9, "validation": 9},
        "overlapped_area": area,
        "histogram_overlap": area,
        "habits": {
            "repeated_notes": {"generated": 0.031, "test": 0.027},
            "longest_repeat": {"generated": 5, "test": None},
            "struck_together": {"generated": 0.24, "test": 0.19},
        },
        "copied_notes": {"mean": {"generated": 7.1, "test": 9.8}, "longest": {"generated": 12, "test": 16.1}},
    }


def notebook() -> dict:
    """The `played` of a benchmarks/results/notebook.json."""
    area = {"mean": 0.31, "pitch": 0.32, "notes_per_second": 0.33}
    return {"excerpt_notes": 600, "overlapped_area": area, "struck_together": 0.93}


def write(
    folder: Path, table: pd.DataFrame | None = None, entries: list[dict] | None = None, **changed: object
) -> None:
    """Write all of it into `folder`; `changed` replaces whole files by name, such as likelihood={...}."""
    table, entries = loss() if table is None else table, samples() if entries is None else entries
    (folder / "samples").mkdir(parents=True)
    (folder / "audio").mkdir()
    files = {"corpus": corpus(), "training": training(table), "likelihood": likelihood(), "similarity": similarity()}
    for name, content in (files | changed).items():
        if name != "distributions":
            (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    table.to_csv(folder / "loss.csv", index=False)
    changed.get("distributions", distributions()).to_csv(folder / "distributions.csv", index=False)
    (folder / "samples" / "samples.json").write_text(json.dumps(entries), encoding="utf-8")
    tables = [notes().assign(piece=np.int32(piece)) for piece in range(len(entries))]
    everything = pd.concat(tables, ignore_index=True) if tables else notes().assign(piece=np.int32(0)).head(0)
    write_notes(folder / "samples" / "notes.parquet", everything)
    rate = 22050
    tone = 0.2 * np.sin(2 * np.pi * 220 * np.arange(int(SECONDS * rate)) / rate)
    for entry in entries:
        write_midi(notes(), folder / "samples" / f"{entry['name']}.mid")
        soundfile.write(folder / "audio" / f"{entry['name']}.mp3", tone, rate, format="MP3")
