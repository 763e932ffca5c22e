"""Figures in the README and in the model card are those of the committed reports."""

import json

import pytest
import yaml

from tests.helpers.source_analysis import ROOT

README, CARD = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "models/README.md"))
LIKELIHOOD, SIMILARITY, TRAINING = (
    json.loads((ROOT / f"reports/{name}.json").read_text(encoding="utf-8"))
    for name in ("likelihood", "similarity", "training")
)
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def row(label: str, figures: dict[str, float]) -> str:
    values = [f"{figures[name]:.2f}" for name in ("total", "step", "pitch", "duration", "velocity")]
    return f"| {' | '.join([label, *values])} |"


@pytest.mark.parametrize(
    "text, label, figures",
    [
        (CARD, "test, each field by its frequency", LIKELIHOOD["unigram"]),
        (CARD, "test", LIKELIHOOD["test"]),
        (CARD, "validation", LIKELIHOOD["validation"]),
        *((CARD, f"test, filling in at gap {gap}", LIKELIHOOD["infill"][f"gap_{gap}"]) for gap in (1, 4, 16)),
        (README, "each field by its frequency", LIKELIHOOD["unigram"]),
        (README, "this network, going on", LIKELIHOOD["test"]),
        (README, "the same, filling in a gap of 1 note", LIKELIHOOD["infill"]["gap_1"]),
        (README, "of 4 notes", LIKELIHOOD["infill"]["gap_4"]),
        (README, "of 16 notes", LIKELIHOOD["infill"]["gap_16"]),
    ],
)
def test_likelihoods(text, label, figures):
    assert row(label, figures) in text.replace("**", "")


@pytest.mark.parametrize(
    "label, pair, digits",
    [
        ("overlapped area with test music, mean of eight features", SIMILARITY["overlapped_area"]["mean"], 3),
        ("histogram overlap with test music, mean of eight features", SIMILARITY["histogram_overlap"]["mean"], 3),
        ("most notes of one pitch in a row", SIMILARITY["habits"]["longest_repeat"], 0),
        ("largest share of a stretch within 50 ms", SIMILARITY["habits"]["largest_instant"], 3),
        (
            "longest run of pitches that stands in train as well, in notes",
            SIMILARITY["copied_notes"]["longest"],
            0,
        ),
    ],
)
def test_playing(label, pair, digits):
    real = pair.get("ceiling", pair.get("test"))
    assert f"| {label} | {pair['generated']:.{digits}f} | {real:.{digits}f} |" in CARD


def test_what_it_is_and_was_made_of():
    assert f"backward LSTM of {PARAMS['train']['units']} units" in CARD
    assert f"{TRAINING['parameters']:,} parameters" in CARD
    assert f"{TRAINING['notes_seen']:,} notes heard" in CARD
    assert f"without them the test figure is {LIKELIHOOD['test_without_shared_titles']:.2f}" in CARD
    assert f"{PARAMS['reference']['excerpts']} stretches of {PARAMS['reference']['notes']} notes each" in CARD
    assert f"{TRAINING['notes_seen'] / 1e6:.1f} million notes heard" in README
    assert f"the {LIKELIHOOD['notes']['test']:,} notes of the test split" in README


def test_overlap_in_the_readme():
    mean = SIMILARITY["overlapped_area"]["mean"]
    notebook = json.loads((ROOT / "benchmarks/results/notebook.json").read_text(encoding="utf-8"))
    assert f"{SIMILARITY['excerpts']['generated']} stretches of {SIMILARITY['excerpts']['notes']} notes" in README
    assert f": {mean['generated']:.3f}, where" in README
    assert f"reaches {mean['ceiling']:.3f}" in README
    assert f"the notebook that this grew out of {notebook['played']['overlapped_area']['mean']:.3f}" in README
