"""Figures in the README and in the model card are those of the committed reports."""

import json

import pandas as pd
import pytest
import yaml

from tests.helpers.source_analysis import ROOT

README, CARD = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "models/README.md"))
NLL, OVERLAP, DESCRIPTORS = (pd.read_csv(ROOT / f"reports/{name}.csv") for name in ("nll", "overlap", "descriptors"))
NLL = NLL.pivot(index="music", columns="note_field", values="nll")
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "text, label, music",
    [
        (CARD, "test, unigram", "unigram"),
        (CARD, "test", "test"),
        (CARD, "validation", "validation"),
        *((CARD, f"test, infill, gap of {gap}", f"infill_gap_{gap}") for gap in (1, 4, 16)),
        (README, "unigram: each field by its frequency", "unigram"),
        (README, "this network, continuation", "test"),
        (README, "infill, gap of 1 note", "infill_gap_1"),
        (README, "infill, gap of 4 notes", "infill_gap_4"),
        (README, "infill, gap of 16 notes", "infill_gap_16"),
    ],
)
def test_likelihood(text, label, music):
    values = [f"{NLL.loc[music, field]:.2f}" for field in ("total", "step", "pitch", "duration", "velocity")]
    assert f"| {' | '.join([label, *values])} |" in text.replace("**", "")


def descriptor(name: str) -> tuple[float, float]:
    """Return the value of a descriptor for generated and for test music."""
    rows = DESCRIPTORS[DESCRIPTORS["descriptor"] == name].set_index("music")["value"]
    return rows["generated"], rows["test"]


def mean_overlap(measure: str) -> tuple[float, float]:
    """Return the mean over features of an overlap with test music, for generated and for validation music."""
    rows = OVERLAP[(OVERLAP["measure"] == measure) & (OVERLAP["feature"] == "mean")].set_index("music")["value"]
    return rows["generated"], rows["validation"]


@pytest.mark.parametrize(
    "label, values, name, digits",
    [
        ("overlapped area with test music, mean of eight features", mean_overlap, "overlapped_area", 3),
        ("histogram overlap with test music, mean of eight features", mean_overlap, "histogram_overlap", 3),
        ("most notes of one pitch in a row", descriptor, "max_note_repeat", 0),
        ("largest fraction of an excerpt's notes within 50 ms", descriptor, "max_onset_cluster", 3),
        ("longest copied run, in notes", descriptor, "max_copied_run", 0),
    ],
)
def test_generated_music(label, values, name, digits):
    generated, real = values(name)
    assert f"| {label} | {generated:.{digits}f} | {real:.{digits}f} |" in CARD


def test_the_network_and_its_data():
    assert f"backward LSTM of {PARAMS['train']['lstm_units']} units" in CARD
    parameters = pd.read_csv(ROOT / "reports/parameters.csv")["parameters"].sum()
    seen = pd.read_csv(ROOT / "reports/loss.csv")["notes_seen"].iloc[-1]
    assert f"{parameters:,} parameters" in CARD
    assert f"{seen:,} notes seen" in CARD
    assert f"saw {seen / 1e6:.1f} million notes" in README
    assert f"without them the test figure is {NLL.loc['test_unshared_titles', 'total']:.2f}" in CARD
    excerpt = PARAMS["excerpt"]
    assert f"{excerpt['max_excerpts']} excerpts of {excerpt['excerpt_notes']} notes each" in CARD


def test_overlap_in_the_readme():
    generated, real = mean_overlap("overlapped_area")
    notebook = json.loads((ROOT / "benchmarks/results/notebook.json").read_text(encoding="utf-8"))
    count, notes = descriptor("excerpts")[0], descriptor("excerpt_notes")[0]
    text = README.replace("\n", " ")
    assert f"of {count:.0f} generated excerpts of {notes:.0f} notes with test music is {generated:.3f}, where" in text
    assert f"validation music reaches {real:.3f}" in text
    assert f"grew out of {notebook['played']['overlapped_area']['mean']:.3f}" in text
