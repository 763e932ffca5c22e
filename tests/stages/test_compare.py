"""The stage on small samples and splits made here: what counts, what does not, and the bytes it writes."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages import compare
from stages.metrics import copying, note_features
from stages.representation.note_table import sort_notes, write_notes
from stages.utils import params
from stages.utils.errors import InputError
from tests.helpers.source_analysis import ROOT

PARAMS = params.load_params(ROOT / "params.yaml")


def piece(number: int, notes: int, seed: int) -> pd.DataFrame:
    """Random notes on the grid, generated or not as they may."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "piece": np.full(notes, number, np.int32),
            "start": 0.5 + np.cumsum(random.integers(1, 30, notes)) * 0.01,
            "sustained": (random.integers(1, 100, notes) * 0.01).astype(np.float32),
            "pitch": random.integers(40, 90, notes).astype(np.uint8),
            "velocity": random.integers(30, 100, notes).astype(np.uint8),
        }
    )
    return sort_notes(frame.assign(duration=frame["sustained"]))


def write_split(name: str, sizes: list[int], seed: int) -> None:
    parts = [piece(number, size, seed + number) for number, size in enumerate(sizes)]
    notes = pd.concat(parts) if parts else piece(0, 1, 0)[:0]
    if name == "train":
        lines = copying.pitch_sequences(note_features.quantize(notes))
        copying.write_pitch_sequences(compare.REFERENCE / "melodies.parquet", lines)
    else:
        write_notes(compare.REFERENCE / f"{name}.parquet", notes)


def write_samples(samples: list[tuple[str, pd.DataFrame, slice]]) -> None:
    """Samples given as (kind, notes, which of them are generated)."""
    parts = []
    for number, (_, notes, which) in enumerate(samples):
        generated = np.zeros(len(notes), bool)
        generated[which] = True
        parts.append(notes.assign(piece=np.int32(number), generated=generated))
    table = pd.concat(parts) if parts else piece(0, 1, 0)[:0].assign(generated=np.zeros(0, bool))
    write_notes(compare.SAMPLES / "notes.parquet", table)
    about = [{"name": f"{kind}-{number}", "kind": kind} for number, (kind, _, _) in enumerate(samples)]
    (compare.SAMPLES / "samples.json").write_text(json.dumps(about))


def compared() -> tuple[dict, pd.DataFrame]:
    compare.main(PARAMS)

    def refuse(text: str) -> None:
        raise AssertionError(f"{text} in JSON")

    report = json.loads(compare.SIMILARITY.read_text(), parse_constant=refuse)
    return report, pd.read_csv(compare.DISTRIBUTIONS)


@pytest.fixture(autouse=True)
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for seed, (name, sizes) in enumerate(
        {"train": [300, 200], "validation": [150, 90], "test": [200, 170, 30]}.items()
    ):
        write_split(name, sizes, 100 * seed)


ALL, LATER, GAP, NONE = slice(None), slice(20, None), slice(30, 40), slice(0)


def samples() -> list[tuple[str, pd.DataFrame, slice]]:
    return [
        ("improvisation", piece(0, 60, 11), ALL),
        ("continuation", piece(0, 80, 12), LATER),
        ("filling", piece(0, 70, 13), GAP),
        ("original", piece(0, 70, 14), NONE),
    ]


def test_figures_of_a_run():
    write_samples(samples())
    report, table = compared()
    assert report["excerpts"] == {"notes": 60, "generated": 2, "test": 5, "validation": 3}
    assert list(report) == ["excerpts", "overlapped_area", "histogram_overlap", "habits", "copied_notes"]
    for name in ("overlapped_area", "histogram_overlap"):
        assert all(0 < value <= 1 for values in report[name].values() for value in values.values())
    for name in ("habits", "copied_notes"):
        assert all(set(values) == {"generated", "test"} for values in report[name].values())
    assert table.groupby(["feature", "source"])["share"].sum().to_numpy() == pytest.approx(1, abs=1e-4)
    assert table["feature"].unique().tolist() == ["pitch", "step", "duration", "velocity"]
    assert table["source"].unique().tolist() == ["generated", "test", "validation"]


def test_the_same_bytes_again():
    write_samples(samples())
    compared()
    before = compare.SIMILARITY.read_bytes(), compare.DISTRIBUTIONS.read_bytes()
    compared()
    assert (compare.SIMILARITY.read_bytes(), compare.DISTRIBUTIONS.read_bytes()) == before


def test_prompts_contexts_and_originals_do_not_count():
    write_samples(samples())
    before = compared()
    changed = samples()
    for number, kept in ((1, LATER), (2, GAP), (3, NONE)):
        kind, notes, which = changed[number]
        other = np.ones(len(notes), bool)
        other[kept] = False
        # Velocity alone: a prompt's pitch and time are heard in what follows.
        changed[number] = kind, notes.assign(velocity=np.where(other, 127, notes["velocity"]).astype(np.uint8)), which
    write_samples(changed)
    report, table = compared()
    assert report == before[0]
    assert table.equals(before[1])


def test_generated_notes_of_every_kind_count():
    write_samples(samples())
    before = compared()[1]
    for number in range(3):
        changed = samples()
        kind, notes, which = changed[number]
        changed[number] = kind, notes.assign(velocity=np.uint8(127)), which
        write_samples(changed)
        assert not compared()[1].equals(before)


def test_a_copy_from_train_is_found_in_another_key_and_in_a_filling():
    train = piece(0, 300, 0)
    run = train.iloc[100:160].assign(start=lambda notes: notes["start"] - 5, pitch=lambda notes: notes["pitch"] + 3)
    write_samples([("improvisation", sort_notes(run), ALL)])
    assert compared()[0]["copied_notes"]["longest"]["generated"] == 60
    write_samples([("improvisation", piece(0, 60, 11), ALL), ("filling", sort_notes(run), slice(20, 50))])
    report = compared()[0]
    assert report["copied_notes"]["longest"]["generated"] >= 29
    assert report["copied_notes"]["mean"]["generated"] < 10


def test_fillings_alone():
    write_samples([("filling", piece(0, 70, 13), GAP), ("filling", piece(0, 70, 15), GAP)])
    report, _ = compared()
    assert report["excerpts"]["notes"] == 10
    assert report["excerpts"]["generated"] == 2
    assert 0 < report["overlapped_area"]["mean"]["generated"] <= 1


def leaves(value: dict) -> list:
    return [leaf for item in value.values() for leaf in (leaves(item) if isinstance(item, dict) else [item])]


def test_no_samples():
    write_samples([])
    report, table = compared()
    assert report.pop("excerpts") == {"notes": 0, "generated": 0, "test": 0, "validation": 0}
    assert set(leaves(report)) == {None}
    assert table["source"].unique().tolist() == ["test", "validation"]


def test_an_empty_validation_split():
    write_split("validation", [], 0)
    write_samples(samples())
    report, table = compared()
    assert report["overlapped_area"]["mean"]["ceiling"] is None
    assert report["overlapped_area"]["mean"]["generated"] > 0
    assert table["source"].unique().tolist() == ["generated", "test"]


def test_only_training_music():
    write_split("validation", [], 0)
    write_split("test", [], 0)
    write_samples(samples())
    report, _ = compared()
    assert report["overlapped_area"]["mean"] == {"generated": None, "ceiling": None}
    assert report["habits"]["longest_repeat"]["generated"] >= 1
    assert report["habits"]["longest_repeat"]["test"] is None


def test_samples_of_a_few_notes():
    write_samples([("improvisation", piece(0, 1, 1), ALL), ("filling", piece(0, 3, 1), slice(1, 2))])
    report, _ = compared()
    assert report["excerpts"]["notes"] == 1
    assert report["habits"]["longest_repeat"]["generated"] == 1


def test_notes_that_are_missing_are_named():
    write_samples(samples())
    (compare.REFERENCE / "melodies.parquet").unlink()
    with pytest.raises(InputError, match=r"melodies\.parquet: not found"):
        compare.main(PARAMS)
