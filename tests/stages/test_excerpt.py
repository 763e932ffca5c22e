"""The stage that cuts excerpts: which music they come from, and what the folder holds."""

import numpy as np
import pandas as pd
import pytest

from stages import excerpt
from stages.metrics import copying, note_features
from stages.params.excerpt import ExcerptParams
from stages.representation.note_table import read_notes, read_pieces, sort_notes, write_notes, write_pieces
from stages.utils import paths
from tests.helpers.made_up_notes import note_table

SPLITS = {"train": {0: 50, 1: 70}, "validation": {2: 2500, 3: 40}, "test": {4: 700, 5: 1300}}
"""The number of notes of each piece of each split."""


def random_pieces(sizes: dict[int, int], seed: int) -> pd.DataFrame:
    """Return pieces with the given numbers of notes, no two notes of a piece with the same start."""
    random = np.random.default_rng(seed)
    rows = [
        (piece, start, 0.5, random.integers(21, 109), random.integers(1, 128))
        for piece, size in sizes.items()
        for start in (1 + np.cumsum(random.integers(1, 50, size)) / 100).tolist()
    ]
    return sort_notes(note_table(rows))


def write_music() -> dict[str, pd.DataFrame]:
    """Write data/notes; return the note table of each split."""
    tables = {split: random_pieces(sizes, seed) for seed, (split, sizes) in enumerate(SPLITS.items())}
    pieces = []
    for split, sizes in SPLITS.items():
        write_notes(paths.NOTES / f"{split}.parquet", tables[split])
        for piece, notes in sizes.items():
            source = {"composer": f"C{piece}", "title": "T", "year": 2008, "file": f"{piece}.mid"}
            pieces.append({"piece": piece, "split": split, **source, "notes": notes, "seconds": 1.0})
    write_pieces(paths.NOTES / "pieces.parquet", pd.DataFrame(pieces))
    return tables


def test_the_folder_holds_excerpts_of_test_and_validation_and_the_pitches_of_train(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tables = write_music()
    excerpt.main(ExcerptParams(max_excerpts=200, excerpt_notes=600))
    assert sorted(path.name for path in paths.EXCERPTS.iterdir()) == [
        "pieces.parquet",
        "pitch_sequences.parquet",
        "test.parquet",
        "validation.parquet",
    ]
    pieces = read_pieces(paths.EXCERPTS / "pieces.parquet")
    assert pieces["composer"].tolist() == ["C4", "C5", "C5", "C2", "C2", "C2", "C2", "C3"]
    assert pieces["notes"].tolist() == [600, 600, 600, 600, 600, 600, 600, 40]
    assert pieces["split"].tolist() == ["test"] * 3 + ["validation"] * 5
    test, validation = (read_notes(paths.EXCERPTS / f"{split}.parquet") for split in ("test", "validation"))
    assert test["piece"].unique().tolist() == [0, 1, 2] and validation["piece"].unique().tolist() == [3, 4, 5, 6, 7]
    for number, notes in pd.concat([test, validation]).groupby("piece"):
        assert pieces["seconds"][number] == pytest.approx((notes["start"] + notes["sounding_duration"]).max())
    sequences = copying.read_pitch_sequences(paths.EXCERPTS / "pitch_sequences.parquet")
    expected = copying.pitch_sequences(note_features.quantize(tables["train"]))
    assert [sequence.tolist() for sequence in sequences] == [sequence.tolist() for sequence in expected]


def test_no_more_excerpts_of_a_split_than_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_music()
    excerpt.main(ExcerptParams(max_excerpts=2, excerpt_notes=600))
    assert read_pieces(paths.EXCERPTS / "pieces.parquet")["composer"].tolist() == ["C4", "C5", "C2", "C2"]
