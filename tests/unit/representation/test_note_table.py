"""The note table and its files: what is written is read back, and invalid rows are not written."""

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
    "key_duration": "float32",
    "sounding_duration": "float32",
    "pitch": "uint8",
    "velocity": "uint8",
}


def table(rows):
    """Return a note table of (piece, start, pitch); the other columns follow from these."""
    frame = pd.DataFrame(rows, columns=["piece", "start", "pitch"]).astype({"start": float})
    frame["key_duration"] = 0.1 + frame["start"] / 7
    frame["sounding_duration"] = frame["key_duration"] * 2
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
def test_sort_notes_sorts_and_computes_steps_within_a_piece(rows):
    frame = table(rows)
    rows = sorted(rows)
    assert list(frame[["piece", "start", "pitch"]].itertuples(index=False, name=None)) == rows
    previous = {}
    for (piece, start, _), step in zip(rows, frame["step"], strict=True):
        assert step == np.float32(start - previous.get(piece, start))
        previous[piece] = start


def test_sort_notes_accepts_one_performance_without_a_piece_column():
    frame = pd.DataFrame({"start": [2.0, 0.5], "pitch": [60, 61], "generated": [True, False]}, index=[7, 8])
    expected = pd.DataFrame({"start": [0.5, 2.0], "pitch": [61, 60], "generated": [False, True]})
    pd.testing.assert_frame_equal(sort_notes(frame)[list(expected)], expected)
    assert sort_notes(frame)["step"].tolist() == [0, 1.5]


def test_a_note_ends_at_the_next_onset_of_its_pitch():
    notes = pd.DataFrame(
        {
            "start": [0.0, 0.0, 0.5, 1.0, 1.25],
            "pitch": np.array([60, 64, 60, 62, 60], np.uint8),
            "key_duration": np.array([0.75, 2.0, 0.25, 9.0, 9.0], np.float32),
            "sounding_duration": np.array([3.0, 2.0, 0.75, 9.0, 9.0], np.float32),
            "generated": [False, True, True, True, True],
        }
    )
    ended = note_table.end_at_next_onset(notes)
    assert ended["key_duration"].tolist() == [0.5, 2.0, 0.25, 9.0, 9.0]
    assert ended["sounding_duration"].tolist() == [0.5, 2.0, 0.75, 9.0, 9.0]
    assert (ended.dtypes == notes.dtypes).all() and ended[["start", "pitch", "generated"]].equals(
        notes[["start", "pitch", "generated"]]
    )


def test_steps_are_differences_of_float64_starts():
    start = np.array([0, 5000.0001, 5000.0002])
    assert steps_between(np.array([0, 0, 0]), start)[2] == pytest.approx(1e-4, rel=1e-6)


@settings(max_examples=30)
@given(rows=ROWS)
def test_notes_are_read_back_and_written_with_the_same_bytes(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("notes") / "new/notes.parquet"
    frame = table(rows)
    write_notes(path, frame)
    pd.testing.assert_frame_equal(read_notes(path), typed(frame))
    first = path.read_bytes()
    write_notes(path, frame)
    assert path.read_bytes() == first
    assert [file.name for file in path.parent.iterdir()] == ["notes.parquet"]


def test_other_columns_are_kept(tmp_path):
    frame = table([(0, 0, 60), (0, 1, 61)]).assign(generated=[True, False])
    write_notes(tmp_path / "a.parquet", frame)
    assert read_notes(tmp_path / "a.parquet")["generated"].tolist() == [True, False]


VALID = table([(0, 0, 60), (0, 1, 60), (0, 1, 62), (1, 0.5, 60)])
INVALID = {
    "unsorted pieces": {"piece": [1, 1, 1, 0]},
    "unsorted starts": {"start": [0.0, 1, 0.9, 0.5]},
    "unsorted pitches": {"pitch": [60, 62, 60, 60]},
    "duplicate note": {"pitch": [60, 60, 60, 60]},
    "negative start": {"start": [-0.1, 1, 1, 0.5]},
    "start not a number": {"start": [0, 1, 1, np.nan]},
    "infinite start": {"start": [0, 1, np.inf, 0.5], "step": [0, 1, np.inf, 0]},
    "zero key_duration": {"key_duration": [1.0, 1, 0, 1]},
    "infinite key_duration": {"key_duration": [1.0, 1, np.inf, 1]},
    "negative sounding_duration": {"sounding_duration": [1.0, 1, -1, 1]},
    "sounding_duration not a number": {"sounding_duration": [1.0, 1, np.nan, 1]},
    "pitch above 127": {"pitch": [60, 60, 128, 60]},
    "negative pitch": {"pitch": [-1, 60, 62, 60]},
    "zero velocity": {"velocity": [1, 1, 0, 1]},
    "velocity above 127": {"velocity": [1, 1, 128, 1]},
    "wrong step": {"step": [0, 1, 0.5, 0]},
    "fractional pitch": {"pitch": [60, 60, 62.5, 60]},
}


@pytest.mark.parametrize("name", INVALID)
def test_invalid_rows_are_not_written(tmp_path, name):
    with pytest.raises(ValueError, match=r".+"):
        write_notes(tmp_path / "a.parquet", VALID.assign(**INVALID[name]))
    with pytest.raises(ValueError, match=r".+"), notes_writer(tmp_path / "a.parquet") as append:
        invalid = VALID.assign(**INVALID[name])
        for piece in invalid["piece"].unique():
            append(piece, {column: invalid.loc[invalid["piece"] == piece, column].to_numpy() for column in TYPES})
    assert not list(tmp_path.iterdir())


def test_a_missing_column_is_named(tmp_path):
    with pytest.raises((KeyError, ValueError), match="velocity"):
        write_notes(tmp_path / "a.parquet", VALID.drop(columns="velocity"))


def test_notes_writer_gives_the_same_table_in_row_groups_of_whole_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(note_table, "ROW_GROUP_SIZE", 5)
    frame = table([(piece, start, 60) for piece in (2, 3, 5, 6, 9) for start in range(piece)])
    with notes_writer(tmp_path / "a.parquet") as append:
        for piece, part in typed(frame).groupby("piece"):
            append(piece, {name: part[name].to_numpy() for name in TYPES if name != "piece"})
    pd.testing.assert_frame_equal(read_notes(tmp_path / "a.parquet"), typed(frame))
    layout = pq.ParquetFile(tmp_path / "a.parquet").metadata
    assert [layout.row_group(number).num_rows for number in range(layout.num_row_groups)] == [5, 5, 6, 9]


def test_a_table_of_more_notes_than_a_file_takes_is_a_folder_and_no_piece_is_in_two_files(tmp_path, monkeypatch):
    monkeypatch.setattr(note_table, "ROW_GROUP_SIZE", 5)
    monkeypatch.setattr(note_table, "MAX_NOTES", 10)
    frame = typed(table([(piece, start, 60) for piece in (2, 3, 5, 6, 9, 11) for start in range(piece)]))
    with notes_writer(tmp_path / "a.parquet") as append:
        for piece, part in frame.groupby("piece"):
            append(piece, {name: part[name].to_numpy() for name in TYPES if name != "piece"})
    pd.testing.assert_frame_equal(read_notes(tmp_path / "a.parquet"), frame)
    pieces = [read_notes(file)["piece"].unique().tolist() for file in sorted((tmp_path / "a.parquet").iterdir())]
    assert pieces == [[2, 3, 5], [6, 9], [11]]


def test_notes_writer_without_pieces_gives_an_empty_table(tmp_path):
    with notes_writer(tmp_path / "a.parquet"):
        pass
    pd.testing.assert_frame_equal(read_notes(tmp_path / "a.parquet"), typed(VALID.iloc[:0]))


def test_an_interrupted_writer_leaves_the_old_file(tmp_path):
    write_notes(tmp_path / "a.parquet", VALID)
    before = (tmp_path / "a.parquet").read_bytes()
    with pytest.raises(KeyboardInterrupt), notes_writer(tmp_path / "a.parquet") as append:
        append(0, {name: VALID[name].to_numpy()[:1] for name in TYPES})
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


def test_pieces_are_read_back(tmp_path):
    write_pieces(tmp_path / "pieces.parquet", PIECES)
    pd.testing.assert_frame_equal(read_pieces(tmp_path / "pieces.parquet"), PIECES)
    with pytest.raises(ValueError, match="0, 1, 2"):
        write_pieces(tmp_path / "pieces.parquet", PIECES.iloc[1:])
    with pytest.raises(ValueError, match="column year"):
        write_pieces(tmp_path / "pieces.parquet", PIECES.assign(year=[2004, 2**15]))


def test_files_have_the_schema_version_and_others_are_rejected(tmp_path):
    write_notes(tmp_path / "notes.parquet", VALID)
    write_pieces(tmp_path / "pieces.parquet", PIECES)
    with notes_writer(tmp_path / "streamed.parquet"):
        pass
    for name in ("notes", "pieces", "streamed"):
        assert pq.read_schema(tmp_path / f"{name}.parquet").metadata == {b"schema_version": b"2"}
    for read in (read_notes, read_pieces):
        other = pa.table({"piece": [1]}, metadata={b"schema_version": b"1"})
        pq.write_table(other, tmp_path / "other.parquet")
        with pytest.raises(InputError, match="schema version 1, expected 2"):
            read(tmp_path / "other.parquet")
    with pytest.raises(InputError, match="no column start"):
        read_notes(tmp_path / "pieces.parquet")
