"""The stage that compares, on small samples and splits made here: what counts, what does not, and the reports."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages import compare
from stages.metrics import copying, note_features
from stages.metrics.note_features import FEATURES
from stages.representation.note_table import sort_notes, write_notes
from stages.samples.sample_set import Sample
from stages.utils import paths
from stages.utils.errors import InputError
from stages.utils.json_io import write_json

REPORTS = (compare.OVERLAP, compare.OVERLAP_TABLE, compare.DESCRIPTORS, compare.DISTRIBUTIONS)


def random_piece(number: int, notes: int, seed: int) -> pd.DataFrame:
    """Return random notes whose times are whole frames."""
    random = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "piece": np.full(notes, number, np.int32),
            "start": 0.5 + np.cumsum(random.integers(1, 30, notes)) * 0.01,
            "sounding_duration": (random.integers(1, 100, notes) * 0.01).astype(np.float32),
            "pitch": random.integers(40, 90, notes).astype(np.uint8),
            "velocity": random.integers(30, 100, notes).astype(np.uint8),
        }
    )
    return sort_notes(table.assign(key_duration=table["sounding_duration"]))


def write_split(name: str, sizes: list[int], seed: int) -> None:
    """Write what data/excerpts holds of a split with pieces of the given numbers of notes."""
    tables = [random_piece(number, size, seed + number) for number, size in enumerate(sizes)]
    notes = pd.concat(tables) if tables else random_piece(0, 1, 0)[:0]
    if name == "train":
        sequences = copying.pitch_sequences(note_features.quantize(notes))
        copying.write_pitch_sequences(paths.EXCERPTS / "pitch_sequences.parquet", sequences)
    else:
        write_notes(paths.EXCERPTS / f"{name}.parquet", notes)


def write_samples(samples: list[tuple[str, pd.DataFrame, slice]]) -> None:
    """Write samples, each given as its kind, its notes and which of them are generated."""
    tables = []
    for number, (_, notes, generated_notes) in enumerate(samples):
        generated = np.zeros(len(notes), bool)
        generated[generated_notes] = True
        tables.append(notes.assign(piece=np.int32(number), generated=generated))
    table = pd.concat(tables) if tables else random_piece(0, 1, 0)[:0].assign(generated=np.zeros(0, bool))
    write_notes(paths.SAMPLES / "notes.parquet", table)
    records = [
        vars(Sample(f"{kind}-{number}", kind, "", "", 1.0, len(notes), ()))
        for number, (kind, notes, _) in enumerate(samples)
    ]
    write_json(paths.SAMPLES / "samples.json", records)


@dataclass(frozen=True)
class Comparison:
    """What the stage reported, tables indexed by all columns but `value`."""

    metrics: dict[str, float | None]
    overlap: pd.Series
    descriptors: pd.Series
    distributions: pd.DataFrame

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Comparison)
            and self.metrics == other.metrics
            and self.overlap.equals(other.overlap)
            and self.descriptors.equals(other.descriptors)
            and self.distributions.equals(other.distributions)
        )


def run_compare() -> Comparison:
    """Run the stage and read its reports."""
    compare.main()

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} in JSON")

    return Comparison(
        json.loads(compare.OVERLAP.read_text(), parse_constant=refuse),
        pd.read_csv(compare.OVERLAP_TABLE).set_index(["measure", "feature", "music"])["value"],
        pd.read_csv(compare.DESCRIPTORS).set_index(["descriptor", "music"])["value"],
        pd.read_csv(compare.DISTRIBUTIONS),
    )


@pytest.fixture(autouse=True)
def real_music(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the excerpts of three splits."""
    monkeypatch.chdir(tmp_path)
    splits = {"train": [300, 200], "validation": [150, 90], "test": [200, 170, 30]}
    for seed, (name, sizes) in enumerate(splits.items()):
        write_split(name, sizes, 100 * seed)


ALL, AFTER_PROMPT, GAP, NONE = slice(None), slice(20, None), slice(30, 40), slice(0)


def some_samples() -> list[tuple[str, pd.DataFrame, slice]]:
    """Return a sample of each kind, for `write_samples`."""
    return [
        ("improvisation", random_piece(0, 60, 11), ALL),
        ("continuation", random_piece(0, 80, 12), AFTER_PROMPT),
        ("infill", random_piece(0, 70, 13), GAP),
        ("original", random_piece(0, 70, 14), NONE),
    ]


def test_reports_of_a_run():
    write_samples(some_samples())
    found = run_compare()
    assert list(found.metrics) == ["overlap", "ceiling", "copied"]
    assert found.overlap.index.tolist() == [
        (measure, feature, music)
        for measure in ("overlapped_area", "histogram_overlap")
        for feature in ("mean", *FEATURES)
        for music in ("generated", "validation")
    ]
    assert found.overlap.between(0, 1, inclusive="right").all()
    names = ["repeated_note_rate", "max_note_repeat", "repeated_ngram_rate", "same_onset_rate", "max_onset_cluster"]
    names += [
        "velocity_std",
        "tempo_drift",
        "thirds_distance",
        "mean_copied_run",
        "max_copied_run",
        "excerpt_notes",
        "excerpts",
    ]
    assert found.descriptors.index.tolist() == [(name, music) for name in names for music in ("generated", "test")]
    assert found.descriptors.notna().all()
    assert found.descriptors["excerpt_notes"].tolist() == [60, 60]
    assert found.descriptors["excerpts"].tolist() == [2, 5]
    fractions = found.distributions.groupby(["feature", "music"])["fraction"].sum()
    assert fractions.to_numpy() == pytest.approx(1, abs=1e-4)
    assert found.distributions["feature"].unique().tolist() == ["pitch", "step", "duration", "velocity"]
    assert found.distributions["music"].unique().tolist() == ["generated", "test", "validation"]


def test_metrics_are_values_of_the_tables():
    write_samples(some_samples())
    found = run_compare()
    assert found.metrics["overlap"] == found.overlap["overlapped_area", "mean", "generated"]
    assert found.metrics["ceiling"] == found.overlap["overlapped_area", "mean", "validation"]
    assert found.metrics["copied"] == round(found.descriptors["mean_copied_run", "generated"], 2)


def test_the_same_input_gives_the_same_bytes():
    write_samples(some_samples())
    compare.main()
    before = [path.read_bytes() for path in REPORTS]
    compare.main()
    assert [path.read_bytes() for path in REPORTS] == before


def test_floats_have_no_more_than_four_decimals():
    write_samples(some_samples())
    compare.main()
    for path in (compare.OVERLAP_TABLE, compare.DESCRIPTORS):
        values = pd.read_csv(path, dtype=str)["value"]
        assert values.str.fullmatch(r"\d+(\.\d{1,4})?").all()


def test_prompts_music_around_infills_and_originals_do_not_count():
    write_samples(some_samples())
    before = run_compare()
    changed = some_samples()
    for number, generated_notes in ((1, AFTER_PROMPT), (2, GAP), (3, NONE)):
        kind, notes, _ = changed[number]
        is_real = np.ones(len(notes), bool)
        is_real[generated_notes] = False
        # Velocity alone: pitches and times of a prompt do affect features of the notes that follow.
        louder = notes.assign(velocity=np.where(is_real, 127, notes["velocity"]).astype(np.uint8))
        changed[number] = kind, louder, generated_notes
    write_samples(changed)
    assert run_compare() == before


def test_generated_notes_of_every_kind_count():
    write_samples(some_samples())
    before = run_compare().distributions
    for number in range(3):
        changed = some_samples()
        kind, notes, generated_notes = changed[number]
        changed[number] = kind, notes.assign(velocity=np.uint8(127)), generated_notes
        write_samples(changed)
        assert not run_compare().distributions.equals(before)


def test_a_copy_from_train_is_found_in_another_key_and_in_an_infill():
    train = random_piece(0, 300, 0)
    copy = train.iloc[100:160].assign(start=lambda notes: notes["start"] - 5, pitch=lambda notes: notes["pitch"] + 3)
    write_samples([("improvisation", sort_notes(copy), ALL)])
    found = run_compare()
    assert found.descriptors["max_copied_run", "generated"] == found.metrics["copied"] == 60
    write_samples([("improvisation", random_piece(0, 60, 11), ALL), ("infill", sort_notes(copy), slice(20, 50))])
    found = run_compare()
    assert found.descriptors["max_copied_run", "generated"] >= 29
    assert found.descriptors["mean_copied_run", "generated"] < 10


def test_infills_set_the_excerpt_length_if_there_are_no_other_samples():
    write_samples([("infill", random_piece(0, 70, 13), GAP), ("infill", random_piece(0, 70, 15), GAP)])
    found = run_compare()
    assert found.descriptors["excerpt_notes", "generated"] == 10
    assert found.descriptors["excerpts", "generated"] == 2
    assert 0 < found.metrics["overlap"] <= 1


def test_without_samples_values_are_missing():
    write_samples([])
    found = run_compare()
    assert found.metrics == {"overlap": None, "ceiling": None, "copied": None}
    assert found.overlap.isna().all()
    sizes = ["excerpt_notes", "excerpts"]
    assert (found.descriptors[sizes] == 0).all()
    assert found.descriptors.drop(sizes, level="descriptor").isna().all()
    assert found.distributions["music"].unique().tolist() == ["test", "validation"]


def test_without_validation_music_there_is_no_ceiling():
    write_split("validation", [], 0)
    write_samples(some_samples())
    found = run_compare()
    assert found.metrics["ceiling"] is None
    assert found.metrics["overlap"] > 0
    assert found.distributions["music"].unique().tolist() == ["generated", "test"]


def test_with_training_music_alone_generated_music_is_described():
    write_split("validation", [], 0)
    write_split("test", [], 0)
    write_samples(some_samples())
    found = run_compare()
    assert found.metrics["overlap"] is None and found.metrics["ceiling"] is None
    assert found.descriptors["max_note_repeat", "generated"] >= 1
    assert np.isnan(found.descriptors["max_note_repeat", "test"])


def test_samples_of_a_few_notes():
    write_samples([("improvisation", random_piece(0, 1, 1), ALL), ("infill", random_piece(0, 3, 1), slice(1, 2))])
    found = run_compare()
    assert found.descriptors["excerpt_notes", "generated"] == 1
    assert found.descriptors["max_note_repeat", "generated"] == 1


def test_a_missing_file_is_named_and_nothing_is_written():
    write_samples(some_samples())
    (paths.EXCERPTS / "pitch_sequences.parquet").unlink()
    with pytest.raises(InputError, match=r"pitch_sequences\.parquet: not found"):
        compare.main()
    assert not any(path.exists() for path in REPORTS)
