"""The note table: the form in which modules and stages hand each other performances, in memory and in parquet files.

A row is a note. Rows are sorted by piece, start, pitch, and no two rows have all three the same.

| column              | type    | meaning                                                                              |
|---------------------|---------|--------------------------------------------------------------------------------------|
| `piece`             | int32   | row of the pieces table                                                              |
| `start`             | float64 | onset, s from the beginning of the file, >= 0                                        |
| `step`              | float32 | s since the onset of the previous note, 0 for a piece's first note                   |
| `key_duration`      | float32 | s from key down to key up, > 0                                                       |
| `sounding_duration` | float32 | s from key down to the end of the sound, > 0: the pedal prolongs it, the next onset  |
|                     |         | of the same pitch ends it                                                            |
| `pitch`             | uint8   | MIDI note number, 0 to 127                                                           |
| `velocity`          | uint8   | MIDI velocity, 1 to 127                                                              |

The pieces table describes the pieces of all splits, one a row, in the order of `piece` = 0, 1, 2, ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from stages.representation.parquet_io import (
    ROW_GROUP_SIZE,
    VERSION_KEY,
    growing_table_writer,
    read_table,
    to_arrow,
    write_table,
)

if TYPE_CHECKING:
    import pandas as pd  # imported in functions only: it takes a third of a second, and extract does without

Columns = Mapping[str, np.ndarray]
"""Columns of a note table by name, all of one length."""

SCHEMA_VERSION = 2
"""Version of the two schemas, in the metadata of each file. A file with another version is refused."""

MAX_NOTES = 1 << 26
"""Notes from which on a file of a table takes no further row group: 67 million, half a gigabyte. MAESTRO has 7 million.
Without a limit, what a file holds about its row groups, which is in memory while it is written, would grow too."""

_METADATA = {VERSION_KEY: str(SCHEMA_VERSION).encode()}

NOTE_SCHEMA = pa.schema(
    [
        ("piece", pa.int32()),
        ("start", pa.float64()),
        ("step", pa.float32()),
        ("key_duration", pa.float32()),
        ("sounding_duration", pa.float32()),
        ("pitch", pa.uint8()),
        ("velocity", pa.uint8()),
    ],
    _METADATA,
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
        ("seconds", pa.float64()),  # from the beginning of the file to the end of the last sound
    ],
    _METADATA,
)


def sort_notes(notes: pd.DataFrame) -> pd.DataFrame:
    """Return notes sorted by piece (where there is such a column), start and pitch, with the `step` column set.

    The index is renumbered; other columns are kept.
    """
    has_piece = "piece" in notes.columns
    keys = [notes["pitch"], notes["start"], *([notes["piece"]] if has_piece else [])]
    notes = notes.take(np.lexsort([key.to_numpy() for key in keys])).reset_index(drop=True)
    piece = notes["piece"].to_numpy() if has_piece else np.zeros(len(notes), np.int32)
    notes["step"] = steps_between(piece, notes["start"].to_numpy())
    return notes


def steps_between(piece: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return the time from the previous onset to each note's onset.

    Args:
        piece: the piece of each note, ascending, shape (notes,).
        start: the onset of each note in seconds, float64, ascending within a piece, shape (notes,).

    Returns:
        Seconds, float32, shape (notes,); 0 for the first note of a piece. The differences are taken in float64.
    """
    step = np.zeros(len(start), np.float32)
    step[1:] = np.where(piece[1:] == piece[:-1], np.diff(start), 0)
    return step


def end_at_next_onset(notes: pd.DataFrame) -> pd.DataFrame:
    """Return the notes of one performance with durations that end at the latest at the next onset of their pitch.

    Notes that were read from a file are like that; those that the network generates need not be.

    Args:
        notes: a note table sorted by start, no two notes with the same start and pitch.
    """
    limit = (notes.groupby("pitch")["start"].shift(-1) - notes["start"]).fillna(np.inf)
    durations = {
        name: notes[name].clip(upper=limit).astype(np.float32) for name in ("key_duration", "sounding_duration")
    }
    return notes.assign(**durations)


def write_notes(path: str | Path, notes: pd.DataFrame) -> None:
    """Write a note table. The bytes depend only on the rows and the version of pyarrow.

    Args:
        path: the file; its folder is made if need be.
        notes: the note table. Other columns are kept and come last.

    Raises:
        ValueError: a row is not valid or not in order.
    """
    _check_notes(notes)
    table = to_arrow(notes, NOTE_SCHEMA)
    write_table(Path(path), table, **_column_encodings(table.schema))


@contextmanager
def notes_writer(path: str | Path) -> Iterator[Callable[[int, Columns], None]]:
    """Write a note table piece by piece, with no more than a row group of it in memory.

    Each row group ends with a piece. The table appears when the block ends, and not at all after an error.

    Args:
        path: the file, or, if there are more than `MAX_NOTES` notes, the folder of its parts; what that is in is made
            if need be.

    Yields:
        A function `append(piece, columns)`, to call for the pieces in ascending order. `columns` are the notes of the
        piece, all columns of the note table but `piece`.

    Raises:
        ValueError: a row is not valid or not in order; raised by `append` or at the end of the block.
    """
    pieces: list[int] = []
    parts: list[Columns] = []

    def flush() -> None:
        lengths = [len(part["start"]) for part in parts]
        columns = {"piece": np.repeat(np.array(pieces, np.int32), lengths)}
        columns |= {
            name: np.concatenate([part[name] for part in parts]) for name in NOTE_SCHEMA.names if name != "piece"
        }
        _check_notes(columns)
        write(to_arrow(columns, NOTE_SCHEMA))
        pieces.clear()
        parts.clear()

    def append(piece: int, columns: Columns) -> None:
        pieces.append(piece)
        parts.append(columns)
        if sum(len(part["start"]) for part in parts) >= ROW_GROUP_SIZE:
            flush()

    with growing_table_writer(Path(path), NOTE_SCHEMA, MAX_NOTES, **_column_encodings(NOTE_SCHEMA)) as write:
        yield append
        if parts:
            flush()


def read_notes(path: str | Path) -> pd.DataFrame:
    """Read a whole note table: the columns of NOTE_SCHEMA, and any others of the file.

    Raises:
        InputError: see `parquet_io.read_table`.
    """
    return read_table(Path(path), NOTE_SCHEMA).to_pandas()


def write_pieces(path: str | Path, pieces: pd.DataFrame | Mapping[str, Sequence[Any]]) -> None:
    """Write a pieces table.

    Args:
        path: the file; its folder is made if need be.
        pieces: the columns of PIECE_SCHEMA by name.

    Raises:
        ValueError: the column `piece` is not 0, 1, 2, ..., or values do not fit the schema.
    """
    if not np.array_equal(pieces["piece"], np.arange(len(pieces["piece"]))):
        raise ValueError("pieces: column piece must count 0, 1, 2, ...")
    table = to_arrow(pieces, PIECE_SCHEMA)
    write_table(Path(path), table, **_column_encodings(table.schema))


def read_pieces(path: str | Path) -> pd.DataFrame:
    """Read a pieces table.

    Raises:
        InputError: see `parquet_io.read_table`.
    """
    return read_table(Path(path), PIECE_SCHEMA).to_pandas()


def _check_notes(columns: Columns | pd.DataFrame) -> None:
    """Raise ValueError, which names the first such row, if a row is not valid or not in order."""
    table = {name: np.asarray(columns[name]) for name in NOTE_SCHEMA.names}
    piece, start, step, key_duration, sounding_duration, pitch, velocity = table.values()
    in_order = (start[1:] > start[:-1]) | (start[1:] == start[:-1]) & (pitch[1:] > pitch[:-1])
    in_order = (piece[1:] > piece[:-1]) | (piece[1:] == piece[:-1]) & in_order
    checks = {
        "start is negative or not finite": (start >= 0) & (start < np.inf),
        "key_duration is not positive and finite": (key_duration > 0) & (key_duration < np.inf),
        "sounding_duration is not positive and finite": (sounding_duration > 0) & (sounding_duration < np.inf),
        "pitch is not 0 to 127": (pitch >= 0) & (pitch <= 127),
        "velocity is not 1 to 127": (velocity >= 1) & (velocity <= 127),
        "does not follow the previous row by piece, start, pitch": np.append(True, in_order)[: len(start)],
        "step is not the difference of starts": step.astype(np.float32) == steps_between(piece, start),
    }
    for problem, passed in checks.items():
        if not passed.all():
            row = int(passed.argmin())
            values = {name: column[row].item() for name, column in table.items()}
            raise ValueError(f"note table, row {row}: {problem}: {values}")


def _column_encodings(schema: pa.Schema) -> dict[str, Any]:
    # Starts hardly ever repeat. Split into streams of first bytes, second bytes, ... they compress better than through
    # a dictionary.
    return {
        "use_dictionary": [name for name in schema.names if name != "start"],
        "use_byte_stream_split": [name for name in schema.names if name == "start"],
    }
