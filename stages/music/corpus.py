"""Data sets: the catalogue entry of one, and the pieces of an unpacked one with their splits.

A data set is a folder under data/. With a dataset.yaml in it the set is catalogued: dataset.yaml says where its
archive is, SHA256SUMS (in sha256sum's format) what the archive holds. Without, it is a folder of MIDI files.
"""

import csv
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stages.music.errors import InputError

ENTRY = "dataset.yaml"
CHECKSUMS = "SHA256SUMS"
MIDI = (".mid", ".midi")
SPLITS = ("train", "validation", "test")
COLUMNS = ("canonical_composer", "canonical_title", "split", "year", "midi_filename")


class DataSet(BaseModel):
    """A catalogue entry, the content of a dataset.yaml. data/maestro/dataset.yaml explains the keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    title: str
    url: str | None = None
    archive: str | None = None
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    unpacked_bytes: int = Field(gt=0)
    licence: str
    homepage: str
    citation: str


@dataclass(frozen=True)
class Piece:
    """One MIDI file of a data set."""

    file: str  # path relative to the unpacked data set's folder, with forward slashes
    split: str  # "train", "validation" or "test"
    composer: str  # "" if unknown
    title: str
    year: int  # 0 if unknown


def find(data: Path, name: str) -> Path:
    """The folder that the setting `dataset: name` means, below or beside the folder `data`.

    Raises InputError, listing the catalogued sets, if it is not a folder or not given as a path from `data`.
    """
    folder = data / name
    if Path(name).is_absolute():
        raise InputError(f"dataset = {name!r}: write the path as seen from {data}/: {os.path.relpath(name, data)}")
    if not folder.is_dir():
        problem = "is a file" if folder.exists() else "does not exist"
        raise InputError(f"dataset = {name!r}: {folder} {problem}; {choices(data)}")
    return folder


def choices(data: Path) -> str:
    """What `dataset` may be, for error messages."""
    known = sorted(entry.parent.name for entry in data.glob(f"*/{ENTRY}"))
    return f"use {', '.join(known)} or the path, from {data}/, of a folder with .mid or .midi files"


def read_entry(folder: Path) -> DataSet | None:
    """The catalogue entry of the data set in `folder`, None if it is a folder of MIDI files.

    Raises InputError, one line, for an entry that cannot be used.
    """
    path = folder / ENTRY
    if not path.exists():
        return None
    try:
        entry = DataSet.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{path}: {'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}") from None
    if (entry.url is None) == (entry.archive is None):
        raise InputError(f"{path}: give either url or archive")
    return entry


def read_checksums(folder: Path) -> dict[str, str]:
    """The SHA-256 (lower-case hexadecimal) of every file of a catalogued set by its path in the archive.

    Raises InputError, naming the line, if SHA256SUMS is missing or has a line that cannot be used.
    """
    path = folder / CHECKSUMS
    if not path.exists():
        raise InputError(f"{path}: not found; a folder with {ENTRY} needs one, in the format of sha256sum")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not text in UTF-8: {error}") from None
    checksums: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        match = re.fullmatch(r"([0-9a-f]{64}) [ *](.+)", line)
        if not match or escapes(match[2]) or match[2] in checksums:
            raise InputError(f"{path}: line {number}: must be a SHA-256, two spaces and a new relative path")
        checksums[match[2]] = match[1]
    if not checksums:
        raise InputError(f"{path}: lists no files")
    return checksums


def escapes(name: str) -> bool:
    """Whether `name` could mean, on any system, something other than a path below the folder it is joined to."""
    path = PureWindowsPath(name)
    return not path.parts or bool(path.anchor) or ".." in path.parts or "\\" in name or "\0" in name


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, lower-case hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()


def midi_files(folder: Path) -> list[Path]:
    """Every .mid and .midi file below `folder` (any case, hidden files and folders skipped), sorted by path."""
    return _files(folder, MIDI)


def pieces(raw: Path, validation_share: float, test_share: float) -> list[Piece]:
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
        return set(COLUMNS) <= set(file.readline(10_000).rstrip("\r\n").replace('"', "").split(","))


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
    composer, title, split, year, name = (row[column] for column in COLUMNS)
    if split not in SPLITS:
        raise InputError(f"{where}: split = {split!r}: must be one of {', '.join(SPLITS)}")
    if not re.fullmatch("[0-9]{0,4}", year):
        raise InputError(f"{where}: year = {year!r}: must be a year, or empty if unknown")
    path = folder / name
    if escapes(name) or not path.is_file():
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
