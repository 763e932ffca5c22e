"""Parquet files: what is written is read back, and files that cannot be used give one line."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.representation.parquet_io import parquet_writer, read_table, to_arrow, write_table
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
    with pytest.raises(KeyboardInterrupt), parquet_writer(path, SCHEMA) as writer:
        writer.write_table(table)
        raise KeyboardInterrupt
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [before]


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
    (tmp_path / "folder.parquet").mkdir()
    pq.write_table(table.replace_schema_metadata(None), tmp_path / "unversioned.parquet")
    pq.write_table(table.replace_schema_metadata({b"schema_version": b"\xff99"}), tmp_path / "newer.parquet")
    pq.write_table(table.drop_columns(["time"]), tmp_path / "narrow.parquet")
    pq.write_table(pa.table({**COLUMNS}, metadata=SCHEMA.metadata), tmp_path / "wide_types.parquet")
    for name, reason in {
        "missing": "not found",
        "text": "not a readable parquet",
        "folder": "not a readable parquet",
        "unversioned": "schema version none, expected 7",
        "newer": "schema version .99, expected 7",
        "narrow": "no column time of type float",
        "wide_types": "no column number of type int32",
    }.items():
        with pytest.raises(InputError, match=reason) as caught:
            read_table(tmp_path / f"{name}.parquet", SCHEMA)
        assert str(caught.value).startswith(f"{tmp_path}/{name}.parquet: ")
        assert "\n" not in str(caught.value)


def test_without_a_version_in_the_schema_any_file_with_the_columns_is_read(tmp_path):
    write_table(tmp_path / "a.parquet", to_arrow(COLUMNS, SCHEMA))
    assert read_table(tmp_path / "a.parquet", SCHEMA.remove_metadata()).num_rows == 4
