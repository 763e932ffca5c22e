"""Pieces read one by one from the row groups of a note table are those of the whole table."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from stages.representation import note_table, parquet_io
from stages.representation.grid_encoding import encode
from stages.representation.stored_notes import COLUMNS, StoredNotes
from stages.utils.errors import InputError
from tests.helpers.made_up_notes import random_columns

PIECES, GROUP_NOTES = 40, 500


@pytest.fixture(scope="module", params=[1 << 26, 1000], ids=["file", "folder"])
def path(tmp_path_factory, request):
    """A note table of pieces of 1 to 300 notes; number 7 has none."""
    path = tmp_path_factory.mktemp("notes") / "train.parquet"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(note_table, "ROW_GROUP_SIZE", GROUP_NOTES)
        patch.setattr(note_table, "MAX_NOTES", request.param)
        with note_table.notes_writer(path) as append:
            for piece in range(PIECES):
                if piece != 7:
                    append(piece, random_columns(piece, 1 + 37 * piece % 300))
    files = parquet_io.table_files(path)
    assert 5 < sum(pq.ParquetFile(file).num_row_groups for file in files) < PIECES
    assert len(files) > 3 if request.param == 1000 else files == [path]
    return path


@pytest.mark.parametrize("cached_row_groups", [1, 3, 100])
def test_pieces_are_those_of_the_whole_table_in_any_order(path, cached_row_groups):
    whole = dict(list(note_table.read_notes(path).groupby("piece")))
    stored = StoredNotes(path, cached_row_groups)
    assert list(stored.num_notes) == list(whole)
    for piece in np.random.default_rng(1).permutation(list(whole)):
        notes = stored.read(piece)
        assert len(notes) == stored.num_notes[piece]
        pd.testing.assert_frame_equal(notes, whole[piece][list(COLUMNS)].reset_index(drop=True))
        assert (encode(notes, 1.05) == encode(whole[piece], 1.05)).all()


@pytest.mark.parametrize("cached_row_groups, reads", [(1, 2), (100, 1)])
def test_row_groups_that_were_used_last_are_not_read_again(path, monkeypatch, cached_row_groups, reads):
    stored = StoredNotes(path, cached_row_groups)
    read = []
    read_row_group = pq.ParquetFile.read_row_group
    monkeypatch.setattr(
        pq.ParquetFile,
        "read_row_group",
        lambda file, *args, **options: read.append(1) or read_row_group(file, *args, **options),
    )
    for piece in (0, 0, PIECES - 1, 0):
        stored.read(piece)
    assert len(read) == 1 + reads


def test_other_columns_can_be_read(path):
    names = ["velocity", "step", "key_duration"]
    whole = note_table.read_notes(path)
    notes = StoredNotes(path, columns=names).read(5)
    pd.testing.assert_frame_equal(notes, whole.loc[whole["piece"] == 5, names].reset_index(drop=True))


def test_memory_does_not_grow_with_the_table(path):
    def kept_bytes(cached_row_groups):
        stored = StoredNotes(path, cached_row_groups)
        for piece in stored.num_notes:
            stored.read(piece)
        return sum(values.nbytes for group in stored._cache.values() for values in group.values())

    bytes_per_note = 8 + 4 + 1 + 1
    assert kept_bytes(2) <= 2 * (GROUP_NOTES + 300) * bytes_per_note < kept_bytes(100)


def test_a_piece_in_two_row_groups_is_an_error(tmp_path):
    table = note_table.to_arrow({"piece": np.zeros(9, np.int32)} | random_columns(3, 9), note_table.NOTE_SCHEMA)
    parquet_io.write_table(tmp_path / "a.parquet", table, row_group_size=5)
    with pytest.raises(InputError, match=r"a\.parquet: piece 0 lies in two row groups; run `dvc repro extract`"):
        StoredNotes(tmp_path / "a.parquet")


def test_a_table_that_is_replaced_meanwhile_is_read_as_it_was(path, tmp_path):
    copy = tmp_path / "train.parquet"
    copy.write_bytes(parquet_io.table_files(path)[0].read_bytes())
    stored = StoredNotes(copy)
    with note_table.notes_writer(copy) as append:
        append(0, random_columns(99, 5))
    assert StoredNotes(copy).num_notes == {0: 5}
    pd.testing.assert_frame_equal(stored.read(0), StoredNotes(path).read(0))


def test_a_damaged_file_is_an_input_error(path, tmp_path):
    copy = tmp_path / "train.parquet"
    copy.write_bytes(parquet_io.table_files(path)[0].read_bytes())
    stored = StoredNotes(copy)
    with copy.open("r+b") as file:
        file.seek(4)
        file.write(bytes(copy.stat().st_size // 2))
    with pytest.raises(InputError, match=r"train\.parquet: not a readable parquet file \(.*\); delete it"):
        for piece in stored.num_notes:
            stored.read(piece)
