"""Data sets: the catalogue entry of one, and the pieces of an unpacked one with their splits.

A data set is a folder under data/. With a dataset.yaml in it the set is catalogued: dataset.yaml says where its
archive is, SHA256SUMS (in sha256sum's format) what the archive holds. Without, it is a folder of MIDI files.
"""

import hashlib
import os
import re
from pathlib import Path, PureWindowsPath

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stages.utils.errors import InputError

RECORD_FILE = "dataset.yaml"
CHECKSUMS = "SHA256SUMS"


class CatalogRecord(BaseModel):
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


def find_dataset(data: Path, name: str) -> Path:
    """The folder that the setting `dataset: name` means, below or beside the folder `data`.

    Raises InputError, listing the catalogued sets, if it is not a folder or not given as a path from `data`.
    """
    folder = data / name
    if Path(name).is_absolute():
        raise InputError(f"dataset = {name!r}: write the path as seen from {data}/: {os.path.relpath(name, data)}")
    if not folder.is_dir():
        problem = "is a file" if folder.exists() else "does not exist"
        raise InputError(f"dataset = {name!r}: {folder} {problem}; {dataset_choices(data)}")
    return folder


def dataset_choices(data: Path) -> str:
    """What `dataset` may be, for error messages."""
    known = sorted(entry.parent.name for entry in data.glob(f"*/{RECORD_FILE}"))
    return f"use {', '.join(known)} or the path, from {data}/, of a folder with .mid or .midi files"


def read_record(folder: Path) -> CatalogRecord | None:
    """The catalogue entry of the data set in `folder`, None if it is a folder of MIDI files.

    Raises InputError, one line, for an entry that cannot be used.
    """
    path = folder / RECORD_FILE
    if not path.exists():
        return None
    try:
        entry = CatalogRecord.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
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
        raise InputError(f"{path}: not found; a folder with {RECORD_FILE} needs one, in the format of sha256sum")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not text in UTF-8: {error}") from None
    checksums: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        match = re.fullmatch(r"([0-9a-f]{64}) [ *](.+)", line)
        if not match or escapes_folder(match[2]) or match[2] in checksums:
            raise InputError(f"{path}: line {number}: must be a SHA-256, two spaces and a new relative path")
        checksums[match[2]] = match[1]
    if not checksums:
        raise InputError(f"{path}: lists no files")
    return checksums


def escapes_folder(name: str) -> bool:
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
