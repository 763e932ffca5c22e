"""Parquet files: what is written is read back, and files that cannot be used give one line."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.representation.parquet_io import (
    growing_table_writer,
    naming_errors,
    read_table,
    table_files,
    to_arrow,
    write_table,
)
from stages.utils.errors import InputError

SCHEMA = pa.schema([("number", pa.int32()), ("text", pa.string()), ("time", pa.float32())], {b"schema_version": b"7"})
COLUMNS = {"number": np.arange(4), "text": ["", "Für Elise", "𝄞", ""], "time": np.array([0, 0.1, 0.2, 1e9])}


def test_a_table_is_read_back_with_the_same_bytes_each_time(tmp_path):
    path = tmp_path / "new/a.parquet"
    table = to_arrow(COLUMNS, SCHEMA)
    write_table(path, table)
    assert read_table(path, SCHEMA).equals(table)
    first = path.read_bytes()
    write_table(path, table)
    assert path.read_bytes() == first
    assert [file.name for file in path.parent.iterdir()] == ["a.parquet"]


def test_options_reach_pyarrow(tmp_path):
    table = to_arrow(COLUMNS, SCHEMA)
    options = {"compression_level": 19, "use_dictionary": ["number"], "data_page_size": 1 << 20}
    write_table(tmp_path / "a.parquet", table, row_group_size=3, **options)
    pq.write_table(table, tmp_path / "expected.parquet", compression="zstd", row_group_size=3, **options)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "expected.parquet").read_bytes()
    assert pq.ParquetFile(tmp_path / "a.parquet").metadata.num_row_groups == 2


def test_an_error_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.parquet"
    table = to_arrow(COLUMNS, SCHEMA)
    write_table(path, table)
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt), growing_table_writer(path, SCHEMA, 9) as write:
        write(table)
        raise KeyboardInterrupt
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [before]


@pytest.mark.parametrize("row_groups, parts", [([], [0]), ([3, 1], [4]), ([4, 1], [4, 1]), ([1, 9, 2, 2], [10, 4])])
def test_a_table_that_is_too_long_becomes_a_folder_of_files(tmp_path, row_groups, parts):
    path = tmp_path / "new/a.parquet"
    tables = [to_arrow(COLUMNS, SCHEMA).take([number % 4 for number in range(rows)]) for rows in row_groups]
    whole = pa.concat_tables([SCHEMA.empty_table(), *tables])
    for _ in range(2):  # the second replaces the first
        with growing_table_writer(path, SCHEMA, max_rows=4, compression_level=19) as write:
            for table in tables:
                write(table)
        assert [file.name for file in path.parent.iterdir()] == ["a.parquet"]
        assert path.is_dir() == (len(parts) > 1)
        assert [pq.ParquetFile(file).metadata.num_rows for file in table_files(path)] == parts
        assert read_table(path, SCHEMA).equals(whole)
        assert pq.read_table(path).equals(whole)  # which reads folders, too
    with pq.ParquetWriter(tmp_path / "b.parquet", SCHEMA, compression="zstd", compression_level=19) as writer:
        for table in tables:
            writer.write_table(table)
    assert len(parts) > 1 or path.read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_a_row_group_may_be_longer_than_those_that_pyarrow_makes_by_default(tmp_path):
    rows = 1_100_000
    with growing_table_writer(tmp_path / "a.parquet", pa.schema([("a", pa.uint8())]), rows) as write:
        write(pa.table({"a": np.zeros(rows, np.uint8)}))
    metadata = pq.read_metadata(tmp_path / "a.parquet")
    assert (metadata.num_row_groups, metadata.num_rows) == (1, rows)


def test_files_and_folders_replace_one_another(tmp_path):
    path, table = tmp_path / "a.parquet", to_arrow(COLUMNS, SCHEMA)
    for row_groups in (1, 3, 2, 1):
        with growing_table_writer(path, SCHEMA, max_rows=1) as write:
            for _ in range(row_groups):
                write(table)
        assert len(table_files(path)) == row_groups and read_table(path, SCHEMA).num_rows == 4 * row_groups
        assert list(tmp_path.iterdir()) == [path]


def test_a_part_that_is_missing_is_named(tmp_path):
    path = tmp_path / "a.parquet"
    with growing_table_writer(path, SCHEMA, max_rows=1) as write:
        for _ in range(3):
            write(to_arrow(COLUMNS, SCHEMA))
    for number in (1, 0):
        (path / f"part-0000{number}.parquet").unlink()
        with pytest.raises(
            InputError, match=rf"a\.parquet/part-0000{number}\.parquet: not found; delete .*a\.parquet,"
        ):
            read_table(path, SCHEMA)
    (path / "part-00002.parquet").unlink()
    with pytest.raises(InputError, match=r"part-00000\.parquet: not found"):
        table_files(path)


def test_arrow_tables_are_as_pyarrow_makes_them():
    table = to_arrow({**COLUMNS, "extra": [True, False, True, True]}, SCHEMA)
    table.validate(full=True)
    expected = [pa.array(COLUMNS["number"], pa.int32()), pa.array(COLUMNS["text"])]
    expected += [pa.array(COLUMNS["time"].astype(np.float32)), pa.array([True, False, True, True])]
    assert table.equals(pa.table(expected, ["number", "text", "time", "extra"]))
    assert table.schema.metadata == SCHEMA.metadata


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"number": np.array([0, 1, 2, 2**31])}, "column number: .*int32"),
        ({"number": np.array([0, 1, 2, 2.5])}, "column number: .*int32"),
        ({"number": None}, "no column number"),
    ],
)
def test_a_column_that_does_not_fit_the_schema_is_named(change, message):
    columns = {name: values for name, values in (COLUMNS | change).items() if values is not None}
    with pytest.raises(ValueError, match=message):
        to_arrow(columns, SCHEMA)


def test_an_unusable_file_gives_one_line_that_names_it(tmp_path):
    table = to_arrow(COLUMNS, SCHEMA)
    (tmp_path / "text.parquet").write_text("PAR1 no\n")
    pq.write_table(table.replace_schema_metadata(None), tmp_path / "unversioned.parquet")
    pq.write_table(table.replace_schema_metadata({b"schema_version": b"\xff99"}), tmp_path / "newer.parquet")
    pq.write_table(table.drop_columns(["time"]), tmp_path / "narrow.parquet")
    pq.write_table(pa.table({**COLUMNS}, metadata=SCHEMA.metadata), tmp_path / "wide_types.parquet")
    for name, reason in {
        "missing": "not found",
        "text": "not a readable parquet",
        "unversioned": "schema version none, expected 7",
        "newer": "schema version .99, expected 7",
        "narrow": "no column time of type float",
        "wide_types": "no column number of type int32",
    }.items():
        with pytest.raises(InputError, match=reason) as caught:
            read_table(tmp_path / f"{name}.parquet", SCHEMA)
        assert str(caught.value).startswith(f"{tmp_path}/{name}.parquet: ")
        assert "\n" not in str(caught.value)


def test_a_lack_of_memory_says_nothing_about_the_file(tmp_path):
    with pytest.raises(MemoryError), naming_errors(tmp_path / "table.parquet"):
        raise pa.ArrowMemoryError("malloc of size 9 failed")


def test_without_a_version_in_the_schema_any_file_with_the_columns_is_read(tmp_path):
    write_table(tmp_path / "a.parquet", to_arrow(COLUMNS, SCHEMA))
    assert read_table(tmp_path / "a.parquet", SCHEMA.remove_metadata()).num_rows == 4
