"""Bring the data set that params.yaml names to data/raw, byte for byte.

Reads the data set's folder, data/<dataset>. With a dataset.yaml, its archive is downloaded and checked against
SHA256SUMS. Otherwise it is data/own or a folder in it, and its MIDI files are copied with their paths. The environment
variable DATASET_MIRROR names another copy of the archive: a URL, a zip archive or a folder into which it was unpacked.

Writes data/raw, all of it or nothing.
"""

import os
import shutil
from pathlib import Path

from tqdm import tqdm

from stages.datasets import archive, catalog, splits
from stages.utils import paths
from stages.utils.atomic import atomic_directory
from stages.utils.errors import InputError
from stages.utils.runner import run_stage

MIRROR_VARIABLE = "DATASET_MIRROR"

DOWNLOADED_ARCHIVE = ".download.zip"
"""The downloaded archive, kept in the new data/raw so that it is on the same disk; removed after unpacking."""

ZIP_BYTES_PER_FILE = 4096
"""An upper bound of what a zip archive adds to each file, for its name and headers."""


def main(dataset: str) -> None:
    """Write data/raw anew."""
    folder = catalog.find_dataset(paths.DATA, dataset)
    record = catalog.read_record(folder)
    with atomic_directory(paths.RAW) as raw:
        if record:
            _fetch_archive(folder, record, raw)
        else:
            _copy_midi_files(folder, raw)


def _fetch_archive(folder: Path, record: catalog.CatalogRecord, raw: Path) -> None:
    checksums = catalog.read_checksums(folder)
    mirror = os.environ.get(MIRROR_VARIABLE)
    source = mirror or record.url or str(folder / str(record.archive))
    print(f"{record.title} ({record.licence}, {record.homepage}) from {source}", flush=True)
    downloaded = raw / DOWNLOADED_ARCHIVE
    if archive.is_url(source):
        _download(source, downloaded, record.unpacked_bytes + ZIP_BYTES_PER_FILE * len(checksums))
    path = downloaded if archive.is_url(source) else Path(source)
    try:
        archive.extract_archive(path, raw, checksums, record.unpacked_bytes, source)
    except InputError as error:
        retry = f"try again, or set {MIRROR_VARIABLE} to the URL or path of"
        advice = f"{MIRROR_VARIABLE} must name" if mirror else retry
        raise InputError(f"{error}; {advice} an unchanged copy of the archive of {record.name}") from None
    original = path.is_file() and catalog.sha256(path) == record.sha256
    downloaded.unlink(missing_ok=True)
    print(
        f"{paths.RAW}: {len(checksums)} files, each as in {folder / catalog.CHECKSUMS_FILE}, "
        f"from {'the original archive' if original else 'another copy of the archive'}"
    )


def _download(url: str, target: Path, max_bytes: int) -> None:
    try:
        archive.download(url, target, max_bytes)
    except InputError as error:
        raise InputError(
            f"{error}; set {MIRROR_VARIABLE} to another URL or to the path of a copy of the archive, "
            "or `dataset: etudes` in params.yaml, which needs no network"
        ) from None


def _copy_midi_files(folder: Path, raw: Path) -> None:
    for path in tqdm(splits.list_own_files(folder), desc="copying", unit="file"):
        target = raw / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


if __name__ == "__main__":
    run_stage(main, dataset=str)
