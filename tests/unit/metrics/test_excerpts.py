"""Excerpts cut out of pieces: by hand and at random."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.metrics.excerpts import evenly_spaced, excerpt_starts, take_excerpts
from stages.representation.note_table import NOTE_SCHEMA, sort_notes, write_notes
from stages.representation.stored_notes import StoredNotes
from tests.helpers.made_up_notes import note_table


def random_pieces(sizes: dict[int, int]) -> pd.DataFrame:
    """Return pieces with the given numbers of notes, no two notes of a piece with the same start."""
    random = np.random.default_rng(0)
    rows = [
        (piece, start, 0.5, random.integers(21, 109), random.integers(1, 128))
        for piece, size in sizes.items()
        for start in (1 + np.cumsum(random.integers(1, 50, size)) / 100).tolist()
    ]
    return sort_notes(note_table(rows))


def test_excerpt_starts_by_hand():
    assert excerpt_starts(np.array([0] * 7 + [1] * 2 + [4] * 3), 3).tolist() == [0, 3, 9]
    assert excerpt_starts(np.array([0] * 8), 3).tolist() == [1, 4]
    assert excerpt_starts(np.array([0, 0]), 0).tolist() == []
    assert excerpt_starts(np.array([], int), 3).tolist() == []


@given(st.lists(st.integers(1, 20), max_size=6), st.integers(1, 8))
def test_excerpts_lie_within_pieces_and_do_not_overlap(sizes: list[int], length: int):
    piece = np.repeat(np.arange(len(sizes)), sizes)
    starts = excerpt_starts(piece, length)
    assert len(starts) == sum(size // length for size in sizes)
    assert all(len(set(piece[start : start + length])) == 1 and start + length <= len(piece) for start in starts)
    assert (np.diff(starts) >= length).all()


def test_evenly_spaced_by_hand():
    assert evenly_spaced(np.arange(10, 20), 3).tolist() == [11, 15, 18]
    assert evenly_spaced(np.arange(3), 3).tolist() == evenly_spaced(np.arange(3), 4).tolist() == [0, 1, 2]


@given(st.lists(st.integers(1, 40), max_size=6), st.integers(1, 12), st.integers(1, 15))
def test_taken_excerpts_are_successive_notes_of_their_pieces(tmp_path_factory, sizes, max_excerpts, length):
    notes = random_pieces({3 * number: size for number, size in enumerate(sizes)})
    notes["key_duration"] = np.arange(1, len(notes) + 1, dtype=np.float32)  # identifies each note
    path = tmp_path_factory.getbasetemp() / "notes.parquet"
    write_notes(path, notes)
    columns = [name for name in NOTE_SCHEMA.names if name != "piece"]
    excerpts, source_pieces = take_excerpts(StoredNotes(path, columns=columns), max_excerpts, length)
    assert excerpts.columns.sort_values().equals(notes.columns.sort_values())
    expected_count = min(max_excerpts, sum(max(size // length, 1) for size in sizes))
    assert len(source_pieces) == excerpts["piece"].nunique() == expected_count
    assert excerpts["key_duration"].is_unique
    for number, excerpt in excerpts.groupby("piece"):
        original = notes.iloc[excerpt["key_duration"].astype(int) - 1]
        assert (np.diff(original.index) == 1).all() and (original["piece"] == source_pieces[number]).all()
        assert len(original) == min(length, sizes[source_pieces[number] // 3])
        for field in ("pitch", "velocity", "sounding_duration"):
            assert excerpt[field].tolist() == original[field].tolist()
        assert excerpt["start"].to_numpy() == pytest.approx(original["start"].to_numpy() - original["start"].iloc[0])
