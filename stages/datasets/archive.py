"""The archive of a catalogued data set: fetched, checked against its SHA256SUMS and unpacked in one pass.

Neither the network nor an archive is trusted: what comes out is exactly the files that SHA256SUMS lists, each with
its hash. How they were packed does not matter.
"""

import hashlib
import stat
import struct
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

import requests
from tqdm import tqdm

from stages.datasets.catalog import escapes_folder
from stages.utils.errors import InputError

WAITS = (1, 2, 4, 8)  # seconds before each further attempt at a download
TIMEOUT = (10, 60)  # seconds for connecting, and for every further byte
BUSY = (408, 416, 425, 429, 500, 502, 503, 504)  # answers after which asking again may help
CHUNK = 2**16  # bytes held in memory at a time
UNREADABLE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, OverflowError, ValueError)

Members = dict[str, Callable[[], BinaryIO]]  # how to open each file of an archive, by its path there


class _Broken(Exception):
    """A download failed in a way that may pass."""


def is_url(source: str) -> bool:
    """Whether `source` is a URL rather than a path."""
    return "://" in source


def download(url: str, target: Path, limit: int) -> None:
    """Download `url` into the file `target`, of which no more than `limit` bytes are taken.

    After a broken connection, a short body or an answer in BUSY it tries again after each of WAITS, and goes on
    where it broke off if the server can do that.

    Raises InputError when all attempts have failed, and at once if another attempt would not help: the server has
    no such file, the address makes no sense, there are more than `limit` bytes.
    """
    resume: dict[str, str] = {}
    with tqdm(desc="downloading", unit="B", unit_scale=True) as bar:
        for wait in (*WAITS, None):
            try:
                return _attempt(url, target, limit, resume, bar)
            except _Broken as error:
                if wait is None:
                    raise InputError(f"{url}: cannot be downloaded: {error} ({len(WAITS) + 1} attempts)") from None
                bar.write(f"{url}: {error}; trying again in {wait} s", file=sys.stderr)
                time.sleep(wait)


def _attempt(url: str, target: Path, limit: int, resume: dict[str, str], bar: tqdm) -> None:
    """Ask once. `resume` holds the headers that ask for the rest only, and is brought up to date."""
    try:
        headers = {"Accept-Encoding": "identity", **resume}
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            rest = bool(resume) and response.status_code == 206
            resume.clear()
            if response.status_code in BUSY:
                raise _Broken(f"{response.status_code} {response.reason}")
            if not response.ok:
                raise InputError(f"{url}: cannot be downloaded: {response.status_code} {response.reason}")
            with target.open("ab" if rest else "wb") as file:
                announced = file.tell() + (response.raw.length_remaining or 0)
                bar.reset(total=announced)
                bar.update(file.tell())
                try:
                    for chunk in response.iter_content(CHUNK):
                        if max(announced, file.tell() + len(chunk)) > limit:
                            raise InputError(f"{url}: larger than the data set's archive can be ({limit:,} bytes)")
                        file.write(chunk)
                        bar.update(len(chunk))
                finally:
                    version = response.headers.get("ETag", "")
                    if version.startswith('"'):  # weak ones, W/"...", do not promise the same bytes
                        resume.update({"Range": f"bytes={file.tell()}-", "If-Range": version})
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        raise _Broken(_reason(error)) from None
    except (requests.RequestException, ValueError) as error:  # what urllib3 says of some host names is a ValueError
        raise InputError(f"{url}: cannot be downloaded: {error}") from None


def _reason(error: BaseException) -> str:
    while error.__context__:  # the first cause is what a user can act on: name not known, connection refused
        error = error.__context__
    return str(getattr(error, "strerror", None) or error)


def extract_archive(source: Path, target: Path, checksums: Mapping[str, str], size: int, label: str) -> None:
    """Copy every file of `source`, a zip archive, to below the new folder `target`, checking each on the way.

    `checksums` maps each file's path in the archive to its SHA-256; all of them must be there and no others.
    `size` is what the files come to in bytes; nothing is written beyond it. `source` may also be an unpacked folder,
    the one that holds the archive's top folder or that top folder itself; what else lies in there is left alone.

    Raises InputError, which starts with `label` and names the file at fault, for an archive that is not intact, holds
    other files, or tries to write anywhere else or more than it should. `target` is then incomplete.
    """
    if not source.exists():
        raise InputError(f"{label}: no such file or folder")
    written = 0
    opened = _folder(source, checksums, label) if source.is_dir() else _zip(source, checksums, size, label)
    with opened as members, tqdm(desc="unpacking", total=size, unit="B", unit_scale=True) as bar:
        for name, opener in members.items():
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            digest = hashlib.sha256()
            with path.open("xb") as file:
                for chunk in _chunks(opener, f"{label}: {name}"):
                    written += len(chunk)
                    if written > size:
                        raise InputError(f"{label}: {name}: unpacks to more than the {size:,} bytes of the data set")
                    digest.update(chunk)
                    file.write(chunk)
                    bar.update(len(chunk))
            if digest.hexdigest() != checksums[name]:
                raise InputError(
                    f"{label}: {name}: is not the data set's file: its SHA-256 is {digest.hexdigest()}, "
                    f"not {checksums[name]}"
                )


def _chunks(opener: Callable[[], BinaryIO], label: str) -> Iterator[bytes]:
    try:
        with opener() as stream:
            while chunk := stream.read(CHUNK):
                yield chunk
    except UNREADABLE as error:
        raise InputError(f"{label}: damaged in the archive ({error})") from None


@contextmanager
def _zip(source: Path, checksums: Mapping[str, str], size: int, label: str) -> Iterator[Members]:
    try:
        archive = zipfile.ZipFile(source)
    except UNREADABLE as error:
        raise InputError(f"{label}: not a whole zip archive ({error})") from None
    with archive:
        files: dict[str, zipfile.ZipInfo] = {}
        for entry in archive.infolist():
            if fault := _fault(entry, files, checksums):
                raise InputError(f"{label}: {entry.orig_filename!r}: {fault}")
            if not entry.is_dir():
                files[entry.filename] = entry
        if sum(entry.file_size for entry in files.values()) > size:
            raise InputError(f"{label}: unpacks to more than the {size:,} bytes of the data set")
        if missing := sorted(checksums.keys() - files):
            more = f" and {len(missing) - 1} more" if missing[1:] else ""
            raise InputError(f"{label}: lacks {missing[0]}{more}")
        yield {name: partial(archive.open, entry) for name, entry in files.items()}


def _fault(entry: zipfile.ZipInfo, before: Mapping[str, zipfile.ZipInfo], checksums: Mapping[str, str]) -> str | None:
    if escapes_folder(entry.orig_filename):
        return "leads out of the folder it is unpacked into; do not trust this archive"
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device; only files and folders are unpacked"
    if entry.is_dir():
        return None
    if entry.filename in before:
        return "is in the archive twice"
    if entry.filename not in checksums:
        return "is not a file of the data set"
    if entry.header_offset < 0:
        return "is damaged in the archive (begins before it)"
    if entry.flag_bits & 1:
        return "is encrypted"
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is packed in a rare way (not deflate); pack the archive again with an ordinary zip program"
    return None


@contextmanager
def _folder(source: Path, checksums: Mapping[str, str], label: str) -> Iterator[Members]:
    top = Path(next(iter(checksums))).parts[0]
    root = source if (source / top).exists() else source.parent
    for name in checksums:
        if not (root / name).is_file():
            raise InputError(f"{label}: lacks {name}")
    yield {name: partial((root / name).open, "rb") for name in checksums}
