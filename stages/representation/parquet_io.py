"""Parquet files that appear as a whole, with the same bytes for the same rows, and errors that a user can act on."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stages.utils.atomic import atomic_file
from stages.utils.errors import InputError

VERSION_KEY = b"schema_version"
"""The metadata key that holds the version of a file's schema, a decimal number."""

ROW_GROUP_SIZE = 1 << 18
"""Rows after which a file begins a new row group: enough to compress well, few enough to stream."""


def read_table(path: Path, schema: pa.Schema) -> pa.Table:
    """Read a parquet file that a stage wrote.

    Args:
        path: the file.
        schema: columns that the file must have, with their types. If the schema's metadata has the key VERSION_KEY, the
            file's must be the same.

    Returns:
        All columns of the file; it may have more than the schema.

    Raises:
        InputError: the file is missing, is not parquet, has another version or lacks a column; one line.
    """
    with open_table(path, schema) as file:
        return file.read()


@contextmanager
def open_table(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetFile]:
    """Open a parquet file that a stage wrote, to read parts of it.

    Args:
        path: the file.
        schema: see `read_table`.

    Raises:
        InputError: see `read_table`; also for an error while the file is read in the block.
    """
    try:
        with pq.ParquetFile(path) as file:
            _check_schema(path, file.schema_arrow, schema)
            yield file
    except FileNotFoundError:
        raise InputError(f"{path}: not found; `dvc repro` makes it, `dvc pull` fetches it") from None
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not a readable parquet file ({reason}); delete it, run `dvc repro`") from None


def _check_schema(path: Path, found: pa.Schema, expected: pa.Schema) -> None:
    version, expected_version = _schema_version(found), _schema_version(expected)
    if expected_version is not None and version != expected_version:
        raise InputError(f"{path}: schema version {version or 'none'}, expected {expected_version}; run `dvc repro`")
    for field in expected:
        if field.name not in found.names or found.field(field.name).type != field.type:
            raise InputError(f"{path}: no column {field.name} of type {field.type}; run `dvc repro`")


def _schema_version(schema: pa.Schema) -> str | None:
    version = (schema.metadata or {}).get(VERSION_KEY)
    return None if version is None else version.decode(errors="replace")


def write_table(path: Path, table: pa.Table, row_group_size: int = ROW_GROUP_SIZE, **options: Any) -> None:
    """Write a parquet file, with zstd compression.

    Args:
        path: the file; its folder is made if need be.
        table: the columns; the metadata of its schema goes into the file.
        row_group_size: rows of a row group.
        options: further options of `pyarrow.parquet.ParquetWriter`.
    """
    with parquet_writer(path, table.schema, **options) as writer:
        writer.write_table(table, row_group_size)


@contextmanager
def parquet_writer(path: Path, schema: pa.Schema, **options: Any) -> Iterator[pq.ParquetWriter]:
    """Write a parquet file table by table, with zstd compression.

    The file appears when the block ends. After an error the old file, if any, is still there.

    Args:
        path: the file; its folder is made if need be.
        schema: that of every table to write.
        options: further options of `pyarrow.parquet.ParquetWriter`.

    Yields:
        The writer; each call of its `write_table` begins a new row group.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as part, pq.ParquetWriter(part, schema, compression="zstd", **options) as writer:
        yield writer


def to_arrow(columns: Mapping[str, np.ndarray | Sequence[Any]], schema: pa.Schema) -> pa.Table:
    """Make an Arrow table of columns in memory.

    float64 is rounded where the schema has float32. Nothing else may lose digits or overflow.

    Args:
        columns: the columns by name, all of one length; a pandas DataFrame will do.
        schema: columns that come first, with their types, and the metadata of the table.

    Returns:
        The schema's columns, then the others as they come, without any metadata of pandas.

    Raises:
        ValueError: a column of the schema is missing or has values that its type cannot hold.
    """
    missing = [name for name in schema.names if name not in columns]
    if missing:
        raise ValueError(f"no column {', '.join(missing)}")
    arrays = {field: _to_array(np.asarray(columns[field.name]), field) for field in schema}
    for name in columns:
        if name not in schema.names:
            array = pa.array(columns[name])
            arrays[pa.field(name, array.type)] = array
    # Not Table.from_pandas, which would put the version of pandas into the file.
    return pa.table(list(arrays.values()), pa.schema(list(arrays), schema.metadata))


def _to_array(values: np.ndarray, field: pa.Field) -> pa.Array:
    # Not pa.array, which imports pandas, a third of a second, to see whether the values are of a pandas type.
    if field.type == pa.string():
        texts = [text.encode() for text in values]
        offsets = np.cumsum([0, *map(len, texts)], dtype=np.int32)
        return pa.StringArray.from_buffers(len(texts), pa.py_buffer(offsets), pa.py_buffer(b"".join(texts)))
    typed = np.ascontiguousarray(values, field.type.to_pandas_dtype())
    if field.type != pa.float32() and not np.array_equal(typed, values):
        raise ValueError(f"column {field.name}: has values that are not of type {field.type}")
    return pa.Array.from_buffers(field.type, len(typed), [None, pa.py_buffer(typed)])
