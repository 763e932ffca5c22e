"""CSV tables that git keeps and `dvc plots` draws: the same bytes for the same content."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.utils.atomic import atomic_file
from stages.utils.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd  # half a second, which stages without it are spared


def write_csv(path: Path, table: Mapping[str, Sequence[Any] | np.ndarray] | pd.DataFrame) -> None:
    """Write a table, floats with six significant digits, missing values as empty fields.

    Args:
        path: the file; its folder is made if need be.
        table: columns by name, all of one length: a dict of lists or arrays, or a DataFrame, whose index is left out.

    Raises:
        ValueError: columns differ in length.
    """
    columns = [_cells(table[name]) for name in table]
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table)
        writer.writerows(zip(*columns, strict=True))


def read_csv(path: Path) -> pd.DataFrame:
    """Read a table that a stage wrote.

    Raises:
        InputError: the file is missing or not CSV.
    """
    import pandas as pd

    try:
        return pd.read_csv(path)
    except FileNotFoundError:
        raise InputError(f"{path}: not found; `dvc repro` makes it") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a CSV table ({error}); delete it, run `dvc repro`") from None


def _cells(values: Any) -> list[Any]:
    values = values.tolist() if hasattr(values, "tolist") else list(values)
    return [_cell(value) for value in values]


def _cell(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return "" if math.isnan(value) else f"{value:.6g}"
