"""The note table: what a performance is to every other module, and how it is kept in parquet.

One row a note, sorted by piece, start, pitch; no two rows share all three.

| column      | type    | meaning                                                                                     |
|-------------|---------|---------------------------------------------------------------------------------------------|
| `piece`     | int32   | row of the pieces table                                                                     |
| `start`     | float64 | s from the file's beginning, >= 0                                                           |
| `step`      | float32 | s since the previous note's start, 0 for a piece's first note                               |
| `duration`  | float32 | s from key down to key up, > 0                                                              |
| `sustained` | float32 | s from key down to when the string is damped: lengthened by the pedal, ended by the next    |
|             |         | onset of the same pitch, > 0                                                                |
| `pitch`     | uint8   | MIDI note number, 0 to 127                                                                  |
| `velocity`  | uint8   | 1 to 127                                                                                    |

Beside it stands the pieces table, one row a piece of every split, in the order of `piece` = 0, 1, 2, ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stages.utils.atomic import atomic_file
from stages.utils.errors import InputError

if TYPE_CHECKING:
    import pandas as pd  # half a second, which importing this module need not cost

Columns = Mapping[str, np.ndarray]
"""Columns of a note table by name, all of one length."""

SCHEMA_VERSION = 1
"""Version of this contract. It stands in each file's metadata; a file with another one is refused."""

NOTE_SCHEMA = pa.schema(
    [
        ("piece", pa.int32()),
        ("start", pa.float64()),
        ("step", pa.float32()),
        ("duration", pa.float32()),
        ("sustained", pa.float32()),
        ("pitch", pa.uint8()),
        ("velocity", pa.uint8()),
    ]
)

PIECE_SCHEMA = pa.schema(
    [
        ("piece", pa.int32()),
        ("split", pa.string()),  # train, validation or test
        ("composer", pa.string()),  # "" where unknown
        ("title", pa.string()),  # "" where unknown
        ("year", pa.int16()),  # 0 where unknown
        ("file", pa.string()),  # relative to the raw folder, with forward slashes
        ("notes", pa.int32()),
        ("seconds", pa.float64()),  # from the file's beginning until the last note is damped
    ]
)

ROW_GROUP_SIZE = 1 << 18
"""Rows after which a parquet file begins a new row group: enough to compress well, few enough to stream."""


def sort_notes(frame: pd.DataFrame) -> pd.DataFrame:
    """Sort notes by piece (where there is such a column), start, pitch, and fill in the `step` column.

    The index is renumbered; other columns are kept as they are.
    """
    by_piece = "piece" in frame.columns
    keys = [frame["pitch"], frame["start"], *([frame["piece"]] if by_piece else [])]
    frame = frame.take(np.lexsort([key.to_numpy() for key in keys])).reset_index(drop=True)
    piece = frame["piece"].to_numpy() if by_piece else np.zeros(len(frame), np.int32)
    frame["step"] = steps_between(piece, frame["start"].to_numpy())
    return frame


def steps_between(piece: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Seconds from the previous note's start to each note's, float32 `[notes]`, 0 where a piece begins.

    `piece` and `start` are those of a sorted note table; the differences are taken in float64.
    """
    step = np.zeros(len(start), np.float32)
    step[1:] = np.where(piece[1:] == piece[:-1], np.diff(start), 0)
    return step


def write_notes(path: str | Path, frame: pd.DataFrame) -> None:
    """Write a note table. Columns beyond the contract's are kept, after them.

    The bytes depend on the rows and the version of pyarrow alone. Raises ValueError if the rows break the contract.
    """
    _check(frame)
    table = _to_arrow(frame, NOTE_SCHEMA)
    with _parquet(Path(path), table.schema) as file:
        file.write_table(table, ROW_GROUP_SIZE)


@contextmanager
def notes_writer(path: str | Path) -> Iterator[Callable[[int, Columns], None]]:
    """Write a note table piece by piece, with no more than a row group of it in memory.

    Yields a function `append(piece, columns)` for the pieces in ascending order; `columns` are a piece's notes, all
    columns but `piece`. Row groups end with a piece. It, or leaving the block, raises ValueError if notes break the
    contract. The file appears as the block is left, and not at all if an exception leaves it.
    """
    pieces: list[int] = []
    parts: list[Columns] = []

    def flush() -> None:
        lengths = [len(part["start"]) for part in parts]
        columns = {"piece": np.repeat(np.array(pieces, np.int32), lengths)}
        columns |= {
            name: np.concatenate([part[name] for part in parts]) for name in NOTE_SCHEMA.names if name != "piece"
        }
        _check(columns)
        file.write_table(_to_arrow(columns, NOTE_SCHEMA))
        pieces.clear()
        parts.clear()

    def append(piece: int, columns: Columns) -> None:
        pieces.append(piece)
        parts.append(columns)
        if sum(len(part["start"]) for part in parts) >= ROW_GROUP_SIZE:
            flush()

    with _parquet(Path(path), _contract(NOTE_SCHEMA)) as file:
        yield append
        if parts:
            flush()


def read_notes(path: str | Path) -> pd.DataFrame:
    """Read a note table with the columns and types above, and any further columns the file has.

    Raises InputError if the file is missing, is no parquet, or was written to another version of the contract.
    """
    return _read(Path(path), NOTE_SCHEMA)


def write_pieces(path: str | Path, frame: pd.DataFrame) -> None:
    """Write a pieces table. Raises ValueError unless its column `piece` counts 0, 1, 2, ..."""
    if not np.array_equal(frame["piece"], np.arange(len(frame["piece"]))):
        raise ValueError("pieces: column piece must count 0, 1, 2, ...")
    table = _to_arrow(frame, PIECE_SCHEMA)
    with _parquet(Path(path), table.schema) as file:
        file.write_table(table, ROW_GROUP_SIZE)


def read_pieces(path: str | Path) -> pd.DataFrame:
    """Read a pieces table. Raises InputError as `read_notes` does."""
    return _read(Path(path), PIECE_SCHEMA)


def _check(columns: Columns | pd.DataFrame) -> None:
    """Raise ValueError, naming the first offending row, unless the rows obey the contract."""
    table = {name: np.asarray(columns[name]) for name in NOTE_SCHEMA.names}
    piece, start, step, duration, sustained, pitch, velocity = table.values()
    later = (start[1:] > start[:-1]) | (start[1:] == start[:-1]) & (pitch[1:] > pitch[:-1])
    later = (piece[1:] > piece[:-1]) | (piece[1:] == piece[:-1]) & later
    rules = {
        "start is negative or not finite": (start >= 0) & (start < np.inf),
        "duration is not positive and finite": (duration > 0) & (duration < np.inf),
        "sustained is not positive and finite": (sustained > 0) & (sustained < np.inf),
        "pitch is not 0 to 127": (pitch >= 0) & (pitch <= 127),
        "velocity is not 1 to 127": (velocity >= 1) & (velocity <= 127),
        "does not come after the row before by piece, start, pitch": np.append(True, later)[: len(start)],
        "step is not the difference of starts": step.astype(np.float32) == steps_between(piece, start),
    }
    for rule, kept in rules.items():
        if not kept.all():
            row = int(kept.argmin())
            raise ValueError(f"note table, row {row}: {rule}: { {name: table[name][row].item() for name in table} }")


def _contract(fields: Iterable[pa.Field]) -> pa.Schema:
    return pa.schema(list(fields), {b"contract": str(SCHEMA_VERSION).encode()})


def _to_arrow(columns: Columns | pd.DataFrame, schema: pa.Schema) -> pa.Table:
    missing = [name for name in schema.names if name not in columns]
    if missing:
        raise ValueError(f"no column {', '.join(missing)}")
    arrays = {field: _array(np.asarray(columns[field.name]), field) for field in schema}
    for name in columns:
        if name not in schema.names:
            array = pa.array(columns[name])
            arrays[pa.field(name, array.type)] = array
    # Not Table.from_pandas: it would put the version of pandas into the file.
    return pa.table(list(arrays.values()), _contract(arrays))


def _array(values: np.ndarray, field: pa.Field) -> pa.Array:
    # As pa.array, which would import pandas, for a third of a second, to see whether the values are of its kind.
    if field.type == pa.string():
        texts = [text.encode() for text in values]
        ends = np.cumsum([0, *map(len, texts)], dtype=np.int32)
        return pa.StringArray.from_buffers(len(texts), pa.py_buffer(ends), pa.py_buffer(b"".join(texts)))
    typed = np.ascontiguousarray(values, field.type.to_pandas_dtype())
    # float64 seconds are rounded where the contract says float32; nothing else may lose digits or overflow.
    if field.type != pa.float32() and not np.array_equal(typed, values):
        raise ValueError(f"column {field.name}: has values that are not of type {field.type}")
    return pa.Array.from_buffers(field.type, len(typed), [None, pa.py_buffer(typed)])


@contextmanager
def _parquet(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """A file that takes its name once it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Starts hardly repeat: their bytes compress better side by side than through a dictionary.
    dictionary = [name for name in schema.names if name != "start"]
    side_by_side = [name for name in schema.names if name == "start"]
    with (
        atomic_file(path) as part,
        pq.ParquetWriter(
            part, schema, compression="zstd", use_dictionary=dictionary, use_byte_stream_split=side_by_side
        ) as file,
    ):
        yield file


def _read(path: Path, schema: pa.Schema) -> pd.DataFrame:
    try:
        with pq.ParquetFile(path) as file:
            found = file.schema_arrow
            version = (found.metadata or {}).get(b"contract", b"none").decode(errors="replace")
            if version != str(SCHEMA_VERSION):
                raise InputError(
                    f"{path}: version {version} of the note table, expected {SCHEMA_VERSION}; run `dvc repro`"
                )
            for field in schema:
                if field.name not in found.names or found.field(field.name).type != field.type:
                    raise InputError(f"{path}: no column {field.name} of type {field.type}; run `dvc repro`")
            return file.read().to_pandas()
    except FileNotFoundError:
        raise InputError(f"{path}: not found; `dvc repro` makes it, `dvc pull` fetches it") from None
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not a readable parquet file ({reason}); delete it, run `dvc repro`") from None
