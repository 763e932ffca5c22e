"""JSON files that git keeps: the same bytes for the same content, whatever machine writes them."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from stages.utils.atomic import atomic_file
from stages.utils.errors import InputError

DIGITS = 4
"""Decimal places kept of floats: more than the spread between runs, few enough to be the same on every machine."""


def write_json(path: Path, content: Any) -> None:
    """Write `content` with two spaces of indent, keys in the order given, floats rounded to `DIGITS` places.

    Args:
        path: the file; its folder is made if need be.
        content: dicts, lists, strings, booleans, None, Python and NumPy numbers.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    text = json.dumps(_rounded(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def read_json(path: Path) -> Any:
    """Read a JSON file that a stage wrote.

    Raises:
        InputError: the file is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: not found; `dvc repro` makes it, `dvc pull` fetches it") from None
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON ({error}); delete it, run `dvc repro`") from None


def _rounded(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _rounded(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_rounded(value) for value in content]
    if isinstance(content, np.generic):
        content = content.item()
    return round(content, DIGITS) if isinstance(content, float) else content
