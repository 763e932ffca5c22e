"""Stretches of music: where they are from, what is in them, and the stage that takes them out."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages import excerpt
from stages.metrics import copying, note_features
from stages.metrics.excerpts import take_excerpts
from stages.representation.note_table import read_notes, read_pieces, sort_notes, write_notes, write_pieces
from stages.utils.params import load_params
from tests.helpers.numpy_model import note_table
from tests.helpers.source_analysis import ROOT

PARAMS = load_params(ROOT / "params.yaml")


def music(sizes: dict[int, int], seed: int = 0) -> pd.DataFrame:
    """Pieces of so many notes, no two of one start."""
    random = np.random.default_rng(seed)
    rows = [
        (piece, start, 0.5, random.integers(21, 109), random.integers(1, 128))
        for piece, size in sizes.items()
        for start in (1 + np.cumsum(random.integers(1, 50, size)) / 100).tolist()
    ]
    return sort_notes(note_table(rows))


@settings(deadline=None)
@given(st.lists(st.integers(1, 40), max_size=6), st.integers(1, 12), st.integers(1, 15))
def test_stretches_are_stretches_of_their_pieces(sizes, count, length):
    notes = music({3 * number: size for number, size in enumerate(sizes)})
    notes["duration"] = np.arange(1, len(notes) + 1, dtype=np.float32)  # tells each note from all others
    taken, origin = take_excerpts(notes, count, length)
    assert len(origin) == min(count, sum(max(size // length, 1) for size in sizes)) == taken["piece"].nunique()
    assert taken["duration"].is_unique
    for number, stretch in taken.groupby("piece"):
        true = notes.iloc[stretch["duration"].astype(int) - 1]
        assert (np.diff(true.index) == 1).all() and (true["piece"] == origin[number]).all()
        assert len(true) == min(length, sizes[origin[number] // 3])
        for field in ("pitch", "velocity", "sustained"):
            assert stretch[field].tolist() == true[field].tolist()
        assert stretch["start"].to_numpy() == pytest.approx(true["start"].to_numpy() - true["start"].iloc[0])


def test_the_stage(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    splits = {"train": {0: 50, 1: 70}, "validation": {2: 2500, 3: 40}, "test": {4: 700, 5: 1300}}
    tables = {split: music(sizes, seed) for seed, (split, sizes) in enumerate(splits.items())}
    pieces = []
    for split, sizes in splits.items():
        write_notes(excerpt.NOTES / f"{split}.parquet", tables[split])
        pieces += [
            {
                "piece": piece,
                "split": split,
                "composer": f"C{piece}",
                "title": "T",
                "year": 2008,
                "file": f"{piece}.mid",
            }
            | {"notes": notes, "seconds": 1.0}
            for piece, notes in sizes.items()
        ]
    write_pieces(excerpt.NOTES / "pieces.parquet", pd.DataFrame(pieces))
    excerpt.main(PARAMS)
    found = read_pieces(excerpt.REFERENCE / "pieces.parquet")
    assert found["composer"].tolist() == ["C4", "C5", "C5", "C2", "C2", "C2", "C2", "C3"]
    assert found["notes"].tolist() == [600, 600, 600, 600, 600, 600, 600, 40]
    assert found["split"].tolist() == ["test"] * 3 + ["validation"] * 5
    test, validation = (read_notes(excerpt.REFERENCE / f"{split}.parquet") for split in ("test", "validation"))
    assert test["piece"].unique().tolist() == [0, 1, 2] and validation["piece"].unique().tolist() == [3, 4, 5, 6, 7]
    for number, stretch in pd.concat([test, validation]).groupby("piece"):
        assert found["seconds"][number] == pytest.approx((stretch["start"] + stretch["sustained"]).max())
    lines = copying.read_pitch_sequences(excerpt.REFERENCE / "melodies.parquet")
    expected = copying.pitch_sequences(note_features.quantize(tables["train"]))
    assert [line.tolist() for line in lines] == [line.tolist() for line in expected]
