"""Parquet files that appear as a whole, with the same bytes for the same rows, and errors that a user can act on.

A table may be too long for one file. Then it is a folder of that name with files part-00000.parquet and so on, which
other programs read as one table too.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stages.utils.atomic import atomic_directory, atomic_file, become_file
from stages.utils.errors import InputError

VERSION_KEY = b"schema_version"
"""The metadata key that holds the version of a file's schema, a decimal number."""

ROW_GROUP_SIZE = 1 << 15
"""Rows after which a file begins a new row group: enough to compress well, few enough to read for the sake of some."""


def read_table(path: Path, schema: pa.Schema) -> pa.Table:
    """Read a table that a stage wrote.

    Args:
        path: the file, or the folder of its parts.
        schema: columns that the table must have, with their types. If the schema's metadata has the key VERSION_KEY,
            the table's must be the same.

    Returns:
        All columns of the table; it may have more than the schema.

    Raises:
        InputError: a file is missing, is not parquet, has another version or lacks a column; one line.
    """
    tables = []
    for part in table_files(path):
        with open_table_file(part, schema) as file, naming_errors(part):
            tables.append(file.read())
    return pa.concat_tables(tables)


def table_files(path: Path) -> list[Path]:
    """Return the files of a table, in order.

    Args:
        path: the file, which need not exist, or the folder of its parts.

    Raises:
        InputError: the folder lacks a part.
    """
    if not path.is_dir():
        return [path]
    parts = sorted(path.glob("part-*.parquet"))
    for number in range(max(len(parts), 1)):
        if _part(path, number) not in parts:
            raise InputError(f"{_part(path, number)}: not found; delete {path}, run `dvc repro`")
    return parts


def _part(path: Path, number: int) -> Path:
    return path / f"part-{number:05}.parquet"


def open_table_file(path: Path, schema: pa.Schema) -> pq.ParquetFile:
    """Open a file of a table that a stage wrote, to read some of it.

    Args:
        path: one of `table_files`.
        schema: see `read_table`.

    Raises:
        InputError: see `read_table`.
    """
    with naming_errors(path):
        file = pq.ParquetFile(path)
        _check_schema(path, file.schema_arrow, schema)
        return file


@contextmanager
def naming_errors(path: Path) -> Iterator[None]:
    """Raise an InputError, one line, for what goes wrong while a parquet file is opened or read."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: not found; `dvc repro` makes it, `dvc pull` fetches it") from None
    except MemoryError:  # pyarrow's is an ArrowException, too, and says nothing about the file
        raise
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
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as part, _open_writer(part, table.schema, options) as writer:
        writer.write_table(table, row_group_size)


@contextmanager
def growing_table_writer(
    path: Path, schema: pa.Schema, max_rows: int, **options: Any
) -> Iterator[Callable[[pa.Table], None]]:
    """Write a table of unknown length, row group by row group, with zstd compression.

    It appears when the block ends. After an error the old file or folder, if any, is still there.

    Args:
        path: the file, or, if the table is too long for one, the folder of its parts; what that is in is made if need
            be.
        schema: that of every row group.
        max_rows: rows from which on a file takes no further row group.
        options: further options of `pyarrow.parquet.ParquetWriter`.

    Yields:
        A function that writes a row group.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_directory(path) as folder, ExitStack() as last:
        parts: list[pq.ParquetWriter] = []
        rows = 0

        def begin_part() -> None:
            nonlocal rows
            last.close()
            parts.append(last.enter_context(_open_writer(_part(folder, len(parts)), schema, options)))
            rows = 0

        def write(table: pa.Table) -> None:
            nonlocal rows
            if rows >= max_rows:
                begin_part()
            parts[-1].write_table(table, max(len(table), 1))  # by default a long one would become several row groups
            rows += len(table)

        begin_part()
        yield write
        last.close()
        if len(parts) == 1:
            become_file(folder, _part(folder, 0))


def _open_writer(path: Path, schema: pa.Schema, options: Mapping[str, Any]) -> pq.ParquetWriter:
    return pq.ParquetWriter(path, schema, compression="zstd", **options)


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
    arrays = {field: _to_array(columns[field.name], field) for field in schema}
    for name in columns:
        if name not in schema.names:
            array = pa.array(columns[name])
            arrays[pa.field(name, array.type)] = array
    # Not Table.from_pandas, which would put the version of pandas into the file.
    return pa.table(list(arrays.values()), pa.schema(list(arrays), schema.metadata))


def _to_array(column: np.ndarray | Sequence[Any], field: pa.Field) -> pa.Array:
    # Not pa.array, which imports pandas, a third of a second, to see whether the values are of a pandas type.
    if field.type == pa.string():
        texts = [text.encode() for text in column]  # numpy would give each text the length of the longest
        offsets = np.cumsum([0, *map(len, texts)], dtype=np.int32)
        return pa.StringArray.from_buffers(len(texts), pa.py_buffer(offsets), pa.py_buffer(b"".join(texts)))
    values = np.asarray(column)
    typed = np.ascontiguousarray(values, field.type.to_pandas_dtype())
    if field.type != pa.float32() and not np.array_equal(typed, values):
        raise ValueError(f"column {field.name}: has values that are not of type {field.type}")
    return pa.Array.from_buffers(field.type, len(typed), [None, pa.py_buffer(typed)])
