"""The archive of a data set in the catalog: downloaded, and checked against SHA256SUMS while it is unpacked.

Neither the network nor an archive is trusted. The result is exactly the files listed in SHA256SUMS, each with its hash.
How the archive was packed does not matter.
"""

import hashlib
import stat
import struct
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO

import requests
from tqdm import tqdm

from stages.datasets.catalog import escapes_folder
from stages.utils.errors import InputError

RETRY_DELAYS = (1, 2, 4, 8)
"""Seconds to wait before each further attempt at a download."""

TIMEOUT_SECONDS = (10, 60)
"""For connecting, and for each further byte."""

RETRY_STATUSES = (408, 416, 425, 429, 500, 502, 503, 504)
"""HTTP statuses after which another attempt may succeed."""

CHUNK_BYTES = 2**16
"""Bytes held in memory at a time."""

ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, OverflowError, ValueError)
"""What zipfile raises for an archive that is damaged."""

Members = Mapping[str, Callable[[], IO[bytes]]]
"""How to open each file of an archive, by its path in the archive."""


class _TransientError(Exception):
    """A download failed for a reason that may pass."""


def is_url(source: str) -> bool:
    """Return whether `source` is a URL and not a path."""
    return "://" in source


def download(url: str, target: Path, max_bytes: int) -> None:
    """Download a file over HTTP.

    After a broken connection, a short body or a status in RETRY_STATUSES, another attempt follows after each of
    RETRY_DELAYS. It resumes where the previous one stopped if the server supports that.

    Args:
        url: the address.
        target: the file to write.
        max_bytes: the most bytes that are written.

    Raises:
        InputError: all attempts failed, or another one would not help: the server has no such file, the URL is not
            valid, or there are more than `max_bytes` bytes.
    """
    with tqdm(desc="downloading", unit="B", unit_scale=True) as bar:
        transfer = _Transfer(url, target, max_bytes, bar)
        for delay in RETRY_DELAYS:
            try:
                return transfer.attempt()
            except _TransientError as error:
                bar.write(f"{url}: {error}; trying again in {delay} s", file=sys.stderr)
                time.sleep(delay)
        try:
            transfer.attempt()
        except _TransientError as error:
            attempts = len(RETRY_DELAYS) + 1
            raise InputError(f"{url}: cannot be downloaded: {error} ({attempts} attempts)") from None


@dataclass
class _Transfer:
    """A download over several attempts."""

    url: str
    target: Path
    max_bytes: int
    bar: tqdm
    resume_headers: dict[str, str] = field(default_factory=dict)  # request only what the last attempt left out

    def attempt(self) -> None:
        """Send one request and write the response to the target; raise _TransientError if another may succeed."""
        headers = {"Accept-Encoding": "identity", **self.resume_headers}
        try:
            with requests.get(self.url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as response:
                self._receive(response)
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            raise _TransientError(_root_cause(error)) from None
        except (requests.RequestException, ValueError) as error:  # urllib3 raises ValueError for some host names
            raise InputError(f"{self.url}: cannot be downloaded: {error}") from None

    def _receive(self, response: requests.Response) -> None:
        resumed = bool(self.resume_headers) and response.status_code == 206
        self.resume_headers = {}
        if response.status_code in RETRY_STATUSES:
            raise _TransientError(f"{response.status_code} {response.reason}")
        if not response.ok:
            raise InputError(f"{self.url}: cannot be downloaded: {response.status_code} {response.reason}")
        with self.target.open("ab" if resumed else "wb") as file:
            try:
                self._write_body(response, file)
            finally:
                self.resume_headers = _resume_headers(response, file.tell())

    def _write_body(self, response: requests.Response, file: BinaryIO) -> None:
        announced = file.tell() + (response.raw.length_remaining or 0)
        self.bar.reset(total=announced)
        self.bar.update(file.tell())
        for chunk in response.iter_content(CHUNK_BYTES):
            if max(announced, file.tell() + len(chunk)) > self.max_bytes:
                raise InputError(f"{self.url}: larger than the data set's archive can be ({self.max_bytes:,} bytes)")
            file.write(chunk)
            self.bar.update(len(chunk))


def _resume_headers(response: requests.Response, received: int) -> dict[str, str]:
    etag = response.headers.get("ETag", "")
    if not etag.startswith('"'):  # a weak ETag, W/"...", does not promise the same bytes
        return {}
    return {"Range": f"bytes={received}-", "If-Range": etag}


def _root_cause(error: BaseException) -> str:
    while error.__context__:  # a user can act on the first cause: name not known, connection refused
        error = error.__context__
    return str(getattr(error, "strerror", None) or error)


def extract_archive(source: Path, target: Path, checksums: Mapping[str, str], total_bytes: int, label: str) -> None:
    """Copy every file of an archive to a folder, and check each against its SHA-256.

    Args:
        source: a zip archive, or a folder into which it was unpacked: either the archive's top folder or the folder
            that contains it. Other files in a folder are ignored.
        target: the folder to write to; none of the archive's files may exist there.
        checksums: the SHA-256 of each file by its path in the archive. All of them must be there, and no others.
        total_bytes: the size of all files together; nothing is written beyond it.
        label: how error messages name the archive.

    Raises:
        InputError: the archive is damaged, holds other files, or would write outside the target or more than
            `total_bytes`; the message begins with `label` and names the file. The target is then incomplete.
    """
    if not source.exists():
        raise InputError(f"{label}: no such file or folder")
    budget = _ByteBudget(total_bytes)
    with (
        _open_members(source, checksums, total_bytes, label) as members,
        tqdm(desc="unpacking", total=total_bytes, unit="B", unit_scale=True) as bar,
    ):
        for name, open_member in members.items():
            member_label = f"{label}: {name}"
            chunks = budget.limit(_read_chunks(open_member, member_label), member_label)
            actual = _write_and_hash(chunks, target / name, bar)
            if actual != checksums[name]:
                raise InputError(
                    f"{member_label}: is not the data set's file: its SHA-256 is {actual}, not {checksums[name]}"
                )


@dataclass
class _ByteBudget:
    """How many bytes may be written in all."""

    total: int
    spent: int = 0

    def limit(self, chunks: Iterator[bytes], label: str) -> Iterator[bytes]:
        """Yield the chunks; raise InputError, which begins with `label`, before one that exceeds the total."""
        for chunk in chunks:
            self.spent += len(chunk)
            if self.spent > self.total:
                raise _too_large(label, self.total)
            yield chunk


def _too_large(label: str, total_bytes: int) -> InputError:
    return InputError(f"{label}: unpacks to more than the {total_bytes:,} bytes of the data set")


def _write_and_hash(chunks: Iterator[bytes], path: Path, bar: tqdm) -> str:
    digest = hashlib.sha256()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        for chunk in chunks:
            digest.update(chunk)
            file.write(chunk)
            bar.update(len(chunk))
    return digest.hexdigest()


def _read_chunks(open_member: Callable[[], IO[bytes]], label: str) -> Iterator[bytes]:
    try:
        with open_member() as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
    except ZIP_ERRORS as error:
        raise InputError(f"{label}: damaged in the archive ({error})") from None


def _open_members(
    source: Path, checksums: Mapping[str, str], total_bytes: int, label: str
) -> AbstractContextManager[Members]:
    if source.is_dir():
        return _open_folder(source, checksums, label)
    return _open_zip(source, checksums, total_bytes, label)


@contextmanager
def _open_zip(source: Path, checksums: Mapping[str, str], total_bytes: int, label: str) -> Iterator[Members]:
    try:
        archive = zipfile.ZipFile(source)
    except ZIP_ERRORS as error:
        raise InputError(f"{label}: not a whole zip archive ({error})") from None
    with archive:
        entries = _list_entries(archive, checksums, label)
        if sum(entry.file_size for entry in entries.values()) > total_bytes:
            raise _too_large(label, total_bytes)
        if missing := sorted(checksums.keys() - entries):
            more = f" and {len(missing) - 1} more" if missing[1:] else ""
            raise InputError(f"{label}: lacks {missing[0]}{more}")
        yield {name: partial(archive.open, entry) for name, entry in entries.items()}


def _list_entries(archive: zipfile.ZipFile, checksums: Mapping[str, str], label: str) -> dict[str, zipfile.ZipInfo]:
    entries: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        if fault := _find_fault(entry, entries, checksums):
            raise InputError(f"{label}: {entry.orig_filename!r}: {fault}")
        if not entry.is_dir():
            entries[entry.filename] = entry
    return entries


def _find_fault(
    entry: zipfile.ZipInfo, previous: Mapping[str, zipfile.ZipInfo], checksums: Mapping[str, str]
) -> str | None:
    if escapes_folder(entry.orig_filename):
        return "leads out of the folder it is unpacked into; do not trust this archive"
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device; only files and folders are unpacked"
    if entry.is_dir():
        return None
    if entry.filename in previous:
        return "is in the archive twice"
    if entry.filename not in checksums:
        return "is not a file of the data set"
    if entry.header_offset < 0:
        return "is damaged in the archive (begins before it)"
    if entry.flag_bits & 1:
        return "is encrypted"
    # zipfile does not limit what one read unpacks with other methods, so a few bytes could fill the memory.
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is compressed with a rare method (not deflate); pack the archive again with an ordinary zip program"
    return None


@contextmanager
def _open_folder(source: Path, checksums: Mapping[str, str], label: str) -> Iterator[Members]:
    top = Path(next(iter(checksums))).parts[0]
    root = source if (source / top).exists() else source.parent
    for name in checksums:
        if not (root / name).is_file():
            raise InputError(f"{label}: lacks {name}")
    yield {name: partial(_open_file, root / name) for name in checksums}


def _open_file(path: Path) -> BinaryIO:
    return path.open("rb")
