"""Reading the pieces of a note table as they are needed, where the table may be larger than the memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq

from stages.representation.note_table import NOTE_SCHEMA
from stages.representation.parquet_io import naming_errors, open_table_file, table_files
from stages.utils.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("start", "sounding_duration", "pitch", "velocity")
"""What a piece is encoded from (`grid_encoding.encode`)."""

CACHED_ROW_GROUPS = 256
"""Row groups that are kept in memory, about 120 MB; those of MAESTRO's training split are 152."""


class StoredNotes:
    """Holds the note table of a split and reads its pieces one by one, a row group at a time.

    The row groups that were used last stay in memory. So a small table is read once, and a large one takes no more
    memory. Its files stay open, since to open one means to read where all its row groups are.

    Attributes:
        num_notes: the length of each piece, by its number; in the order of the table.
    """

    def __init__(
        self, path: Path, cached_row_groups: int = CACHED_ROW_GROUPS, columns: Sequence[str] = COLUMNS
    ) -> None:
        """Find the pieces of a note table.

        Args:
            path: what `note_table.notes_writer` wrote: a file or a folder of parts; each row group ends with a piece.
            cached_row_groups: row groups that are kept in memory, at least 1.
            columns: the columns that `read` returns.

        Raises:
            InputError: see `parquet_io.read_table`; or a piece is in two row groups.
        """
        self._columns, self._cached_row_groups = list(columns), cached_row_groups
        self._row_groups: list[tuple[Path, pq.ParquetFile, int]] = []  # the file of each, and its number there
        self._cache: OrderedDict[int, dict[str, np.ndarray]] = OrderedDict()
        self._place: dict[int, tuple[int, int]] = {}  # row group and first row in it
        self.num_notes: dict[int, int] = {}
        for part in table_files(path):
            file = open_table_file(part, NOTE_SCHEMA)
            for group in range(file.num_row_groups):
                self._row_groups.append((part, file, group))
                with naming_errors(part):
                    piece = file.read_row_group(group, columns=["piece"])["piece"].to_numpy()
                self._find_pieces(part, piece)

    def _find_pieces(self, part: Path, piece: np.ndarray) -> None:
        # The pieces of the row group that was added last, from its column `piece`.
        numbers, first_rows, lengths = np.unique(piece, return_index=True, return_counts=True)
        for number, row, length in zip(*map(np.ndarray.tolist, (numbers, first_rows, lengths)), strict=True):
            if number in self._place:
                raise InputError(f"{part}: piece {number} lies in two row groups; run `dvc repro extract`")
            self._place[number], self.num_notes[number] = (len(self._row_groups) - 1, row), length

    def read(self, piece: int) -> pd.DataFrame:
        """Return the notes of a piece.

        Raises:
            InputError: the file is damaged.
        """
        import pandas as pd

        group, row = self._place[piece]
        rows = slice(row, row + self.num_notes[piece])
        return pd.DataFrame({name: values[rows] for name, values in self._row_group(group).items()})

    def _row_group(self, group: int) -> dict[str, np.ndarray]:
        if group not in self._cache:
            part, file, number = self._row_groups[group]
            with naming_errors(part):
                table = file.read_row_group(number, columns=self._columns)
            while len(self._cache) >= self._cached_row_groups:
                self._cache.popitem(last=False)
            self._cache[group] = {name: table[name].to_numpy() for name in self._columns}
        self._cache.move_to_end(group)
        return self._cache[group]
