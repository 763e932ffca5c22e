"""The pieces of an unpacked data set and their train, validation and test splits."""

import csv
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from stages.datasets.catalog import escapes_folder, missing_files_advice, sha256
from stages.utils.errors import InputError

MIDI_SUFFIXES = (".mid", ".midi", ".kar", ".rmi")
"""Of MIDI files; .kar is one with words for karaoke, .rmi one in a RIFF file."""

SPLITS = ("train", "validation", "test")

TABLE_COLUMNS = ("canonical_composer", "canonical_title", "split", "year", "midi_filename")
"""The columns that make a CSV file a table of pieces, as in MAESTRO."""

HASH_DIGITS = 13
"""Hexadecimal digits of the SHA-256 that decide a split: 52 bits, which a float64 holds exactly."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One MIDI file of a data set."""

    file: str  # path relative to the unpacked data set's folder, with forward slashes
    split: str  # one of SPLITS
    composer: str  # "" if unknown
    title: str
    year: int  # 0 if unknown


def list_midi_files(folder: Path) -> list[Path]:
    """Return every file with one of MIDI_SUFFIXES under a folder, sorted by path.

    The case of the suffix does not matter. Hidden files and folders are skipped.

    Raises:
        InputError: a folder is a symbolic link, or names are not UTF-8.
    """
    return _list_files(folder, MIDI_SUFFIXES)


def list_own_files(folder: Path) -> list[Path]:
    """Return the MIDI files of a folder of the user's, see `list_midi_files`.

    Raises:
        InputError: as there, or there are none.
    """
    files = list_midi_files(folder)
    if not files:
        raise InputError(f"dataset: there are no MIDI files in {folder}{missing_files_advice(folder)}")
    return files


def list_pieces(raw: Path, validation_fraction: float, test_fraction: float) -> list[Piece]:
    """Return the pieces of an unpacked data set, sorted by `file`, each file once.

    If the data set has a table of pieces in MAESTRO's format (a .csv file with the columns canonical_composer,
    canonical_title, split, year and midi_filename, the last relative to the table's folder), the table gives the
    pieces and their splits.

    Otherwise every MIDI file (see `list_midi_files`) is a piece. Its title is the file's stem, and its composer is the
    name of its folder ("" at the top). Its split follows from the SHA-256 of its content: files with the same content
    are in the same split, and no file changes its split when others are added or removed. A split of a small folder may
    be empty.

    Every file in the result exists. Whether it is valid MIDI is not checked.

    Args:
        raw: the folder of the unpacked data set.
        validation_fraction: expected fraction of pieces in the validation split, 0 to 0.5; not used with a table.
        test_fraction: the same for the test split.

    Raises:
        InputError: there are no pieces, there are two tables, or a row of the table is not valid.
    """
    tables = [path for path in _list_files(raw, (".csv",)) if _is_piece_table(path)]
    if len(tables) > 1:
        raise InputError(f"{tables[1]}: a second table of pieces in addition to {tables[0]}; keep one")
    if tables:
        pieces = list(_read_piece_table(tables[0], raw))
    else:
        pieces = [_piece_from_file(path, raw, validation_fraction, test_fraction) for path in list_midi_files(raw)]
    if not pieces:
        raise InputError(f"{tables[0] if tables else raw}: no pieces; the data set has no MIDI files")
    return sorted(pieces, key=lambda piece: piece.file)


def _list_files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    found: list[Path] = []
    not_utf8: list[Path] = []
    for parent, folders, files in os.walk(folder, onerror=_raise):
        # os.walk goes into those folders that are left in this list.
        folders[:] = [name for name in folders if not name.startswith(".")]
        files = [name for name in files if not name.startswith(".")]
        not_utf8 += [Path(parent, name) for name in (*folders, *files) if not _is_utf8(name)]
        for path in (Path(parent, name) for name in folders):
            if path.is_symlink():
                # DVC does not follow such a link either, so a change behind it would go unnoticed.
                raise InputError(f"{path}: a link to a folder is not followed; put the folder here")
        found += [Path(parent, name) for name in files if name.lower().endswith(suffixes)]
    if not_utf8:
        # DVC cannot handle such a name either.
        first = os.fsencode(min(not_utf8)).decode("utf-8", "backslashreplace")
        raise InputError(
            f"{folder}: {len(not_utf8)} names are not UTF-8, the first is {first}; rename the files, for instance with"
            f" `convmv -f latin1 -t utf8 -r --notest {folder}`"
        )
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def _raise(error: OSError) -> NoReturn:
    raise error


def _is_utf8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _is_piece_table(path: Path) -> bool:
    # The heading is read as plain text, because csv.reader raises for files that are CSV in name only.
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        heading = file.readline(10_000).rstrip("\r\n").replace('"', "")
    return set(TABLE_COLUMNS) <= set(heading.split(","))


def _read_piece_table(table: Path, raw: Path) -> Iterator[Piece]:
    seen: set[str] = set()
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            for row in reader:
                location = f"{table}: line {reader.line_num}"
                piece = _piece_from_row(row, location, table.parent, raw)
                if piece.file in seen:
                    raise InputError(f"{location}: midi_filename = {row['midi_filename']!r}: is in the table twice")
                seen.add(piece.file)
                yield piece
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{table}: not a CSV file in UTF-8: {error}") from None


def _piece_from_row(row: dict[str, str], location: str, folder: Path, raw: Path) -> Piece:
    # DictReader puts surplus fields under the key None, and None into missing fields.
    if None in row or None in row.values():
        raise InputError(f"{location}: the number of fields differs from the heading's")
    composer, title, split, year, name = (row[column] for column in TABLE_COLUMNS)
    if split not in SPLITS:
        raise InputError(f"{location}: split = {split!r}: must be one of {', '.join(SPLITS)}")
    if not re.fullmatch("[0-9]{0,4}", year):
        raise InputError(f"{location}: year = {year!r}: must be a year, or empty if unknown")
    path = folder / name
    if escapes_folder(name) or not path.is_file():
        raise InputError(f"{location}: midi_filename = {name!r}: no such file in {folder}")
    return Piece(path.relative_to(raw).as_posix(), split, composer, title, int(year or 0))


def _piece_from_file(path: Path, raw: Path, validation_fraction: float, test_fraction: float) -> Piece:
    uniform = int(sha256(path)[:HASH_DIGITS], 16) / 16**HASH_DIGITS  # uniform in [0, 1) over contents
    # Validation is the lower end of [0, 1) and test the upper, so that a change of one fraction leaves the other split.
    split = "validation" if uniform < validation_fraction else "test" if uniform >= 1 - test_fraction else "train"
    composer = path.parent.name if path.parent != raw else ""
    return Piece(path.relative_to(raw).as_posix(), split, composer, path.stem, 0)
