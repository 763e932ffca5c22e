"""The pieces of an unpacked data set, and their splits."""

import csv
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stages.datasets.catalog import escapes_folder, sha256
from stages.utils.errors import InputError

MIDI_SUFFIXES = (".mid", ".midi")

SPLITS = ("train", "validation", "test")

TABLE_COLUMNS = ("canonical_composer", "canonical_title", "split", "year", "midi_filename")


@dataclass(frozen=True)
class Piece:
    """One MIDI file of a data set."""

    file: str  # path relative to the unpacked data set's folder, with forward slashes
    split: str  # "train", "validation" or "test"
    composer: str  # "" if unknown
    title: str
    year: int  # 0 if unknown


def midi_files(folder: Path) -> list[Path]:
    """Every .mid and .midi file below `folder` (any case, hidden files and folders skipped), sorted by path."""
    return _files(folder, MIDI_SUFFIXES)


def list_pieces(raw: Path, validation_share: float, test_share: float) -> list[Piece]:
    """List the pieces of the data set unpacked in the folder `raw`, sorted by `file`, each file once.

    If there is a table in MAESTRO's form (a .csv with the columns canonical_composer, canonical_title, split, year
    and midi_filename, the last relative to the table's folder), pieces and splits are the table's. Otherwise every
    .mid and .midi file (any case, any nesting, hidden ones skipped) is a piece, its title the file's stem, its
    composer the name of the folder it lies in ("" at the top), and its split follows from the SHA-256 of its content:
    files with the same content share a split, and no file moves when others come or go. `validation_share` and
    `test_share` (0 to 0.5 each) are the expected shares; a small folder may well leave a split empty.

    Every file listed exists; whether it can be read as MIDI is not looked at.

    Raises InputError if there are no MIDI files, or for a row of the table that cannot be used.
    """
    tables = [path for path in _files(raw, (".csv",)) if _is_table(path)]
    if len(tables) > 1:
        raise InputError(f"{tables[1]}: a second table of pieces beside {tables[0]}; keep one")
    if tables:
        found = list(_tabulated(tables[0], raw))
    else:
        found = [_own(path, raw, validation_share, test_share) for path in midi_files(raw)]
    if not found:
        raise InputError(f"{tables[0] if tables else raw}: no pieces; the data set has no MIDI files")
    return sorted(found, key=lambda piece: piece.file)


def _files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    found: list[Path] = []
    for parent, folders, files in os.walk(folder, onerror=_raise):
        folders[:], files = ([name for name in names if not name.startswith(".")] for names in (folders, files))
        for name in (*folders, *files):
            if not name.isascii() and name != name.encode("utf-8", "ignore").decode("utf-8"):
                raise InputError(f"{Path(parent, name)!a}: the name is not UTF-8; rename it")
        for name in folders:
            if Path(parent, name).is_symlink():
                # DVC does not look behind such a link either, so a change there would go unnoticed.
                raise InputError(f"{Path(parent, name)}: a link to a folder is not followed; put the folder here")
        found += [Path(parent, name) for name in files if name.lower().endswith(suffixes)]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def _raise(error: OSError) -> None:
    raise error


def _is_table(path: Path) -> bool:
    # Looked at as text: csv.reader raises for files that are CSV in name only.
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return set(TABLE_COLUMNS) <= set(file.readline(10_000).rstrip("\r\n").replace('"', "").split(","))


def _tabulated(table: Path, raw: Path) -> Iterator[Piece]:
    seen: set[str] = set()
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            for row in reader:
                yield _row(row, f"{table}: line {reader.line_num}", table.parent, raw, seen)
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{table}: not a CSV file in UTF-8: {error}") from None


def _row(row: dict[str, str], where: str, folder: Path, raw: Path, seen: set[str]) -> Piece:
    if None in row or None in row.values():
        raise InputError(f"{where}: has not as many fields as the heading")
    composer, title, split, year, name = (row[column] for column in TABLE_COLUMNS)
    if split not in SPLITS:
        raise InputError(f"{where}: split = {split!r}: must be one of {', '.join(SPLITS)}")
    if not re.fullmatch("[0-9]{0,4}", year):
        raise InputError(f"{where}: year = {year!r}: must be a year, or empty if unknown")
    path = folder / name
    if escapes_folder(name) or not path.is_file():
        raise InputError(f"{where}: midi_filename = {name!r}: no such file below {folder}")
    file = path.relative_to(raw).as_posix()
    if file in seen:
        raise InputError(f"{where}: midi_filename = {name!r}: is in the table twice")
    seen.add(file)
    return Piece(file, split, composer, title, int(year or 0))


def _own(path: Path, raw: Path, validation_share: float, test_share: float) -> Piece:
    draw = int(sha256(path)[:13], 16) / 16**13  # uniform in [0, 1) over contents; 52 bits, exact in a float
    # Validation is taken from one end and test from the other, so that changing one share leaves the other split be.
    split = "validation" if draw < validation_share else "test" if draw >= 1 - test_share else "train"
    composer = path.parent.name if path.parent != raw else ""
    return Piece(path.relative_to(raw).as_posix(), split, composer, path.stem, 0)
