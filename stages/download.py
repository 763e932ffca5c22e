"""Bring the data set that params.yaml names to data/raw, byte for byte.

Reads the data set's folder, data/<dataset>: a catalogue entry, whose archive is fetched and checked against
SHA256SUMS, or the user's own MIDI files, which are copied with their paths. The environment variable DATASET_MIRROR
names another copy of a catalogued set's archive: a URL, a zip archive or a folder it was unpacked into.
Writes data/raw, all of it or nothing.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from stages.datasets import archive, catalog, splits
from stages.utils.errors import InputError
from stages.utils.params import Params
from stages.utils.runner import run_stage

DATA = Path("data")
RAW = DATA / "raw"
WORK = DATA / ".download"  # on the file system of data/raw, so that the finished tree moves there in one step
MIRROR = "DATASET_MIRROR"


def main(params: Params) -> None:
    folder = catalog.find_dataset(DATA, params.dataset)
    entry = catalog.read_record(folder)
    with _workplace() as work:
        if entry:
            _fetch(folder, entry, work)
        else:
            _copy(folder, work)
        if RAW.exists():
            RAW.replace(work / "previous")
        (work / "raw").replace(RAW)


@contextmanager
def _workplace() -> Iterator[Path]:
    if WORK.exists():  # left by a run that was killed
        shutil.rmtree(WORK)
    WORK.mkdir()
    try:
        yield WORK
    finally:
        shutil.rmtree(WORK, ignore_errors=True)


def _fetch(folder: Path, entry: catalog.CatalogRecord, work: Path) -> None:
    checksums = catalog.read_checksums(folder)
    mirror = os.environ.get(MIRROR)
    source = mirror or entry.url or str(folder / str(entry.archive))
    print(f"{entry.title} ({entry.licence}, {entry.homepage}) from {source}", flush=True)
    path = Path(source)
    if archive.is_url(source):
        path = work / "archive.zip"
        try:
            archive.download(source, path, limit=entry.unpacked_bytes + 4096 * len(checksums))
        except InputError as error:
            raise InputError(
                f"{error}; set {MIRROR} to another URL or to the path of a copy of the archive, "
                "or `dataset: etudes` in params.yaml, which needs no network"
            ) from None
    try:
        archive.extract_archive(path, work / "raw", checksums, entry.unpacked_bytes, source)
    except InputError as error:
        way_out = f"{MIRROR} must name" if mirror else f"try again, or set {MIRROR} to the URL or path of"
        raise InputError(f"{error}; {way_out} an unchanged copy of the archive of {entry.name}") from None
    original = path.is_file() and catalog.sha256(path) == entry.sha256
    print(
        f"{RAW}: {len(checksums)} files, each as in {folder / catalog.CHECKSUMS}, "
        f"from {'the original archive' if original else 'another copy of the archive'}"
    )


def _copy(folder: Path, work: Path) -> None:
    here, there = RAW.resolve(), folder.resolve()
    if here.is_relative_to(there) or there.is_relative_to(here):
        raise InputError(f"dataset: {folder} overlaps {RAW}, which is written; {catalog.dataset_choices(DATA)}")
    files = splits.midi_files(folder)
    if not files:
        raise InputError(f"dataset: {folder} has no .mid or .midi files in it; {catalog.dataset_choices(DATA)}")
    for path in tqdm(files, desc="copying", unit="file"):
        target = work / "raw" / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


if __name__ == "__main__":
    run_stage(main)
