"""The catalog of data sets: finding a data set's folder, and reading its record and checksums.

A data set is a folder under data/. If it has a dataset.yaml, it is in the catalog: dataset.yaml says where its archive
is, and SHA256SUMS (in the format of sha256sum) lists the files in the archive. Otherwise it is data/own, the user's
MIDI files, or a folder in it.
"""

import hashlib
import re
from pathlib import Path, PureWindowsPath

from pydantic import Field

from stages.utils.errors import InputError
from stages.utils.yaml_io import Record, read_yaml

OWN = "own"
"""The folder under data/ for the user's own files."""

RECORD_FILE = "dataset.yaml"
CHECKSUMS_FILE = "SHA256SUMS"

EXPERIMENTS_FOLDER = "/.dvc/tmp/exps/"
"""Part of the path of the copies of the repository in which DVC runs experiments, with `--temp` and `--queue`."""

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
        name: the key `dataset` of params.yaml: a name in the catalog, `own`, or the path of a folder in it, `own/jazz`.

    Returns:
        The folder, which exists.

    Raises:
        InputError: it is none of these.
    """
    known = sorted(record.parent.name for record in data.glob(f"*/{RECORD_FILE}"))
    is_own = not escapes_folder(name) and name.split("/")[0] == OWN
    if name not in known and not is_own:
        raise InputError(
            f"dataset = {name!r}: must be {', '.join(known)}, {OWN} for your own files in {data / OWN}, or {OWN}/FOLDER"
            f" for a folder there; `dvc add --out {data / OWN}/FOLDER PATH` takes one from elsewhere"
        )
    folder = data / name
    if not folder.is_dir():
        raise InputError(f"dataset = {name!r}: there is no folder {folder}{missing_files_advice(folder)}")
    return folder


def missing_files_advice(folder: Path) -> str:
    """Return what to do where the user's own files are expected, but missing, as the end of an error message.

    Args:
        folder: where they are expected.
    """
    if EXPERIMENTS_FOLDER in Path.cwd().as_posix():
        return (
            " in the copy of the repository in which DVC runs experiments, as it copies only what git or DVC keeps:"
            f" `dvc add {folder}` or `git add {folder}`, then run the experiment again"
        ) + (f", or run it with `--copy-paths {folder}`" if not folder.is_dir() else "")
    if folder.with_name(f"{folder.name}.dvc").is_file():
        return f"; `dvc pull {folder}` brings what was pushed"
    return f"; put .mid files into {folder}"


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
