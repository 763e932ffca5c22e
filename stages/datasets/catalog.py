"""The catalog of data sets: finding a data set's folder, and reading its record and checksums.

A data set is a folder under data/. If it has a dataset.yaml, it is in the catalog: dataset.yaml says where its archive
is, and SHA256SUMS (in the format of sha256sum) lists the files in the archive. Otherwise it is a folder of MIDI files.
"""

import hashlib
import os
import re
from pathlib import Path, PureWindowsPath

from pydantic import Field

from stages.utils.errors import InputError
from stages.utils.yaml_io import Record, read_yaml

RECORD_FILE = "dataset.yaml"
CHECKSUMS_FILE = "SHA256SUMS"

READ_BYTES = 2**20
"""Bytes of a file held in memory at a time while it is hashed."""


class CatalogRecord(Record):
    """The content of a dataset.yaml. data/maestro/dataset.yaml explains the keys."""

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
    """Return the folder of a data set.

    Args:
        data: the folder data/.
        name: the key `dataset` of params.yaml, a path relative to `data`.

    Returns:
        The folder, under or outside `data`.

    Raises:
        InputError: there is no such folder, or the path is absolute.
    """
    folder = data / name
    if Path(name).is_absolute():
        raise InputError(f"dataset = {name!r}: write the path relative to {data}/: {os.path.relpath(name, data)}")
    if not folder.is_dir():
        problem = "is a file" if folder.exists() else "does not exist"
        raise InputError(f"dataset = {name!r}: {folder} {problem}; {dataset_choices(data)}")
    return folder


def dataset_choices(data: Path) -> str:
    """Return the possible values of the key `dataset` as a phrase for error messages.

    Args:
        data: the folder data/.
    """
    known = sorted(record.parent.name for record in data.glob(f"*/{RECORD_FILE}"))
    return f"use {', '.join(known)} or the path, relative to {data}/, of a folder with MIDI files"


def read_record(folder: Path) -> CatalogRecord | None:
    """Read the catalog record of a data set.

    Args:
        folder: the data set's folder.

    Returns:
        The record, or None if the folder has no dataset.yaml.

    Raises:
        InputError: the record is not valid; the message names the file and the key.
    """
    path = folder / RECORD_FILE
    if not path.exists():
        return None
    record = read_yaml(path, CatalogRecord)
    if (record.url is None) == (record.archive is None):
        raise InputError(f"{path}: give either url or archive")
    return record


def read_checksums(folder: Path) -> dict[str, str]:
    """Read the SHA256SUMS of a data set in the catalog.

    Args:
        folder: the data set's folder.

    Returns:
        The SHA-256 (lower-case hexadecimal) of every file of the data set, by its path in the archive.

    Raises:
        InputError: the file is missing, or a line of it, which the message names, is not valid.
    """
    path = folder / CHECKSUMS_FILE
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
    """Return whether a relative path, joined to a folder, may on any system lead to something not inside it.

    Args:
        name: the path with forward slashes, from an untrusted source.
    """
    path = PureWindowsPath(name)
    return not path.parts or bool(path.anchor) or ".." in path.parts or "\\" in name or "\0" in name


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, lower-case hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(READ_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
