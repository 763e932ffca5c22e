"""The note table and its files: what goes in comes out, and nothing else gets in."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.representation import note_table
from stages.representation.note_table import (
    notes_writer,
    read_notes,
    read_pieces,
    sort_notes,
    steps_between,
    write_notes,
    write_pieces,
)
from stages.utils.errors import InputError

TYPES = {
    "piece": "int32",
    "start": "float64",
    "step": "float32",
    "duration": "float32",
    "sustained": "float32",
    "pitch": "uint8",
    "velocity": "uint8",
}


def table(rows):
    """A note table of (piece, start, pitch); the rest is made up."""
    frame = pd.DataFrame(rows, columns=["piece", "start", "pitch"]).astype({"start": float})
    frame["duration"] = 0.1 + frame["start"] / 7
    frame["sustained"] = frame["duration"] * 2
    frame["velocity"] = 1 + frame["pitch"]
    return sort_notes(frame)


def typed(frame):
    return frame[list(TYPES)].astype(TYPES)


ROWS = st.lists(
    st.tuples(st.integers(0, 5), st.floats(0, 9e4, allow_subnormal=False), st.integers(0, 126)),
    max_size=30,
    unique=True,
)


@given(ROWS)
def test_arrange_sorts_and_takes_steps_within_a_piece(rows):
    frame = table(rows)
    rows = sorted(rows)
    assert list(frame[["piece", "start", "pitch"]].itertuples(index=False, name=None)) == rows
    previous = {}
    for (piece, start, _), step in zip(rows, frame["step"], strict=True):
        assert step == np.float32(start - previous.get(piece, start))
        previous[piece] = start


def test_arrange_takes_one_performance_without_a_piece_column():
    frame = pd.DataFrame({"start": [2.0, 0.5], "pitch": [60, 61], "generated": [True, False]}, index=[7, 8])
    expected = pd.DataFrame({"start": [0.5, 2.0], "pitch": [61, 60], "generated": [False, True]})
    pd.testing.assert_frame_equal(sort_notes(frame)[list(expected)], expected)
    assert sort_notes(frame)["step"].tolist() == [0, 1.5]


def test_steps_are_differences_of_float64_starts():
    start = np.array([0, 5000.0001, 5000.0002])
    assert steps_between(np.array([0, 0, 0]), start)[2] == pytest.approx(1e-4, rel=1e-6)


@settings(max_examples=30, deadline=None)
@given(rows=ROWS)
def test_what_is_written_is_read(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("notes") / "new/notes.parquet"
    frame = table(rows)
    write_notes(path, frame)
    pd.testing.assert_frame_equal(read_notes(path), typed(frame))
    first = path.read_bytes()
    write_notes(path, frame)
    assert path.read_bytes() == first
    assert [file.name for file in path.parent.iterdir()] == ["notes.parquet"]


def test_further_columns_are_kept(tmp_path):
    frame = table([(0, 0, 60), (0, 1, 61)]).assign(generated=[True, False])
    write_notes(tmp_path / "a.parquet", frame)
    assert read_notes(tmp_path / "a.parquet")["generated"].tolist() == [True, False]


GOOD = table([(0, 0, 60), (0, 1, 60), (0, 1, 62), (1, 0.5, 60)])
BROKEN = {
    "unsorted pieces": {"piece": [1, 1, 1, 0]},
    "unsorted starts": {"start": [0.0, 1, 0.9, 0.5]},
    "unsorted pitches": {"pitch": [60, 62, 60, 60]},
    "a note twice": {"pitch": [60, 60, 60, 60]},
    "start before the beginning": {"start": [-0.1, 1, 1, 0.5]},
    "start not a number": {"start": [0, 1, 1, np.nan]},
    "start without end": {"start": [0, 1, np.inf, 0.5], "step": [0, 1, np.inf, 0]},
    "no duration": {"duration": [1.0, 1, 0, 1]},
    "infinite duration": {"duration": [1.0, 1, np.inf, 1]},
    "negative sustained": {"sustained": [1.0, 1, -1, 1]},
    "sustained not a number": {"sustained": [1.0, 1, np.nan, 1]},
    "pitch beyond MIDI": {"pitch": [60, 60, 128, 60]},
    "negative pitch": {"pitch": [-1, 60, 62, 60]},
    "silent": {"velocity": [1, 1, 0, 1]},
    "velocity beyond MIDI": {"velocity": [1, 1, 128, 1]},
    "wrong step": {"step": [0, 1, 0.5, 0]},
    "half a semitone": {"pitch": [60, 60, 62.5, 60]},
}


@pytest.mark.parametrize("name", BROKEN)
def test_rows_that_break_the_contract_are_not_written(tmp_path, name):
    with pytest.raises(ValueError, match=r".+"):
        write_notes(tmp_path / "a.parquet", GOOD.assign(**BROKEN[name]))
    with pytest.raises(ValueError, match=r".+"), notes_writer(tmp_path / "a.parquet") as append:
        broken = GOOD.assign(**BROKEN[name])
        for piece in broken["piece"].unique():
            append(piece, {column: broken.loc[broken["piece"] == piece, column].to_numpy() for column in TYPES})
    assert not list(tmp_path.iterdir())


def test_a_missing_column_is_named(tmp_path):
    with pytest.raises((KeyError, ValueError), match="velocity"):
        write_notes(tmp_path / "a.parquet", GOOD.drop(columns="velocity"))


def test_piece_by_piece_gives_the_same_table_in_row_groups_of_whole_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(note_table, "ROW_GROUP_SIZE", 5)
    frame = table([(piece, start, 60) for piece in (2, 3, 5, 6, 9) for start in range(piece)])
    with notes_writer(tmp_path / "a.parquet") as append:
        for piece, part in typed(frame).groupby("piece"):
            append(piece, {name: part[name].to_numpy() for name in TYPES if name != "piece"})
    pd.testing.assert_frame_equal(read_notes(tmp_path / "a.parquet"), typed(frame))
    layout = pq.ParquetFile(tmp_path / "a.parquet").metadata
    assert [layout.row_group(number).num_rows for number in range(layout.num_row_groups)] == [5, 5, 6, 9]


def test_no_pieces_make_an_empty_table(tmp_path):
    with notes_writer(tmp_path / "a.parquet"):
        pass
    pd.testing.assert_frame_equal(read_notes(tmp_path / "a.parquet"), typed(GOOD.iloc[:0]))


def test_a_file_that_was_not_finished_leaves_the_old_one(tmp_path):
    write_notes(tmp_path / "a.parquet", GOOD)
    before = (tmp_path / "a.parquet").read_bytes()
    with pytest.raises(KeyboardInterrupt), notes_writer(tmp_path / "a.parquet") as append:
        append(0, {name: GOOD[name].to_numpy()[:1] for name in TYPES})
        raise KeyboardInterrupt
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [before]


PIECES = pd.DataFrame(
    {
        "piece": np.array([0, 1], np.int32),
        "split": ["train", "test"],
        "composer": ["Frédéric Chopin", ""],
        "title": ["Étude", "my song"],
        "year": np.array([2004, 0], np.int16),
        "file": ["a/b.midi", "c.mid"],
        "notes": np.array([10, 20], np.int32),
        "seconds": [12.5, 61.25],
    }
)


def test_pieces_come_back(tmp_path):
    write_pieces(tmp_path / "pieces.parquet", PIECES)
    pd.testing.assert_frame_equal(read_pieces(tmp_path / "pieces.parquet"), PIECES)
    with pytest.raises(ValueError, match="0, 1, 2"):
        write_pieces(tmp_path / "pieces.parquet", PIECES.iloc[1:])
    with pytest.raises(ValueError, match="column year"):
        write_pieces(tmp_path / "pieces.parquet", PIECES.assign(year=[2004, 2**15]))


def test_texts_are_written_as_pyarrow_would(tmp_path):
    many = pd.concat([PIECES, PIECES]).assign(piece=range(4), title=["", "Für Elise", "𝄞", ""])
    write_pieces(tmp_path / "pieces.parquet", many)
    written = pq.read_table(tmp_path / "pieces.parquet")
    written.validate(full=True)
    assert written["title"].equals(pa.chunked_array([many["title"].tolist()]))


def test_files_that_cannot_be_used_are_named_in_one_line(tmp_path):
    write_pieces(tmp_path / "pieces.parquet", PIECES)
    (tmp_path / "text.parquet").write_text("PAR1 no\n")
    (tmp_path / "folder.parquet").mkdir()
    plain = pa.table({"piece": [1]})
    pq.write_table(plain, tmp_path / "foreign.parquet")
    pq.write_table(plain.replace_schema_metadata({b"contract": b"\xff99"}), tmp_path / "newer.parquet")
    for name, reason in {
        "missing": "not found",
        "text": "not a readable parquet",
        "folder": "not a readable parquet",
        "foreign": "version none",
        "newer": "99",
        "pieces": "no column start",
    }.items():
        with pytest.raises(InputError, match=reason) as caught:
            read_notes(tmp_path / f"{name}.parquet")
        assert f"{name}.parquet" in str(caught.value)
        assert "\n" not in str(caught.value)
