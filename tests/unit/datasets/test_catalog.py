"""The catalog: records, checksums, and finding the folder of a data set."""

import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from stages.datasets import catalog
from stages.utils.errors import InputError
from tests.helpers.source_analysis import ROOT

CATALOG_FOLDERS = sorted(path.parent for path in (ROOT / "data").glob("*/dataset.yaml"))


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("folder", CATALOG_FOLDERS, ids=lambda folder: folder.name)
def test_records_of_the_repository_are_complete(folder):
    record = catalog.read_record(folder)
    assert record.name == folder.name
    checksums = catalog.read_checksums(folder)
    assert list(checksums) == sorted(checksums)
    assert len({Path(name).parts[0] for name in checksums}) == 1
    if record.archive:
        assert catalog.sha256(folder / record.archive) == record.sha256


def test_maestro_is_the_official_release():
    record = catalog.read_record(ROOT / "data/maestro")
    assert record.sha256 == "70470ee253295c8d2c71e6d9d4a815189e35c89624b76d22fce5a019d5dde12c"
    checksums = catalog.read_checksums(ROOT / "data/maestro")
    assert len(checksums) == 1280
    assert Counter(Path(name).suffix for name in checksums) == {".midi": 1276, ".csv": 1, ".json": 1, "": 2}


RECORD = {
    "name": "mine",
    "title": "My pieces",
    "url": "https://example.org/mine.zip",
    "sha256": "0" * 64,
    "unpacked_bytes": 10,
    "licence": "CC0",
    "homepage": "https://example.org",
    "citation": "Me, 2020.",
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"licence": None}, "licence = null: must be a valid string"),
        ({"sha256": "0" * 63}, "sha256 = .*pattern"),
        ({"unpacked_bytes": 0}, "unpacked_bytes = 0: must be greater than 0"),
        ({"unpacked_bytes": "10"}, "unpacked_bytes = '10': must be a valid integer"),
        ({"licnce": "CC0"}, "licnce: unknown key"),
        ({"archive": "mine.zip"}, "give either url or archive"),
        ({"url": None}, "give either url or archive"),
    ],
)
def test_an_invalid_record_gives_one_line_that_names_the_key(tmp_path, change, message):
    write(tmp_path, {"dataset.yaml": yaml.safe_dump(RECORD).encode()})
    assert catalog.read_record(tmp_path).title == "My pieces"
    write(tmp_path, {"dataset.yaml": yaml.safe_dump(RECORD | change).encode()})
    with pytest.raises(InputError, match=rf"^{re.escape(str(tmp_path))}/dataset.yaml: {message}.*$") as caught:
        catalog.read_record(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"a: [", b"\xff\xfe\xff", b"", b"- 1"])
def test_an_unreadable_record_gives_one_line_that_names_the_file(tmp_path, content):
    write(tmp_path, {"dataset.yaml": content})
    with pytest.raises(InputError, match=rf"^{re.escape(str(tmp_path))}/dataset.yaml: ") as caught:
        catalog.read_record(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_missing_key_is_named(tmp_path):
    record = {key: value for key, value in RECORD.items() if key != "citation"}
    write(tmp_path, {"dataset.yaml": yaml.safe_dump(record).encode()})
    with pytest.raises(InputError, match=r"dataset.yaml: citation: missing key"):
        catalog.read_record(tmp_path)


def test_a_folder_without_a_record_is_not_in_the_catalog(tmp_path):
    assert catalog.read_record(tmp_path) is None


def test_reads_the_format_of_sha256sum(tmp_path):
    one, two = "1" * 64, "a" * 64
    write(tmp_path, {"SHA256SUMS": f"{one}  set/a file.midi\n{two} *set/LICENSE\n".encode()})
    assert catalog.read_checksums(tmp_path) == {"set/a file.midi": one, "set/LICENSE": two}


@pytest.mark.parametrize(
    "line",
    ["", "1" * 63 + "  x", "1" * 64 + " x", "G" * 64 + "  x", "1" * 64 + "  ../x", "1" * 64 + "  /x", "1" * 64 + "  a"],
)
def test_an_error_names_the_invalid_line_of_the_checksums(tmp_path, line):
    write(tmp_path, {"SHA256SUMS": f"{'0' * 64}  a\n{line}\n".encode()})
    with pytest.raises(InputError, match="SHA256SUMS: line 2: "):
        catalog.read_checksums(tmp_path)


def test_checksums_are_required(tmp_path):
    with pytest.raises(InputError, match="SHA256SUMS: not found"):
        catalog.read_checksums(tmp_path)
    write(tmp_path, {"SHA256SUMS": b""})
    with pytest.raises(InputError, match="SHA256SUMS: lists no files"):
        catalog.read_checksums(tmp_path)
    write(tmp_path, {"SHA256SUMS": f"{'0' * 64}  a\n".encode("utf-16")})  # as some shells write what they redirect
    with pytest.raises(InputError, match="SHA256SUMS: not text in UTF-8"):
        catalog.read_checksums(tmp_path)


def test_finds_a_data_set_by_name_and_by_path(tmp_path):
    names = [
        "data/known/dataset.yaml",
        "data/other/dataset.yaml",
        "data/own/jazz/a.mid",
        "data/raw/a.mid",
        "else/a.mid",
    ]
    write(tmp_path, dict.fromkeys(names, b""))
    data = tmp_path / "data"
    for name in ("known", "own", "own/jazz"):
        assert catalog.find_dataset(data, name) == data / name
    outside = ["../else", str(tmp_path / "else"), "own/../raw"]
    for name in ["unknown", "known/dataset.yaml", "known/", "", ".", "..", "raw", "own/..", "own\\..\\raw", *outside]:
        with pytest.raises(InputError) as caught:
            catalog.find_dataset(data, name)
        choices = f"must be known, other, own for your own files in {data}/own, or own/FOLDER for a folder there"
        assert str(caught.value).startswith(f"dataset = {name!r}: {choices}; `dvc add --out {data}/own/FOLDER PATH`")
    for name in ["own/blues", "own/jazz/a.mid"]:
        with pytest.raises(
            InputError, match=rf"^dataset = '{name}': there is no folder .*/data/{name}; put .mid files"
        ):
            catalog.find_dataset(data, name)
    write(tmp_path, {"data/own/blues.dvc": b""})
    with pytest.raises(InputError, match=r"there is no folder .*/data/own/blues; `dvc pull .*/data/own/blues` brings"):
        catalog.find_dataset(data, "own/blues")


def test_in_a_copy_for_experiments_missing_files_are_to_be_kept_by_git_or_dvc(tmp_path, monkeypatch):
    copy = tmp_path / ".dvc/tmp/exps/tmp123"
    (copy / "data/own").mkdir(parents=True)
    monkeypatch.chdir(copy)
    with pytest.raises(InputError, match=r"`dvc add data/own/jazz` or `git add data/own/jazz`, then run the exper"):
        catalog.find_dataset(Path("data"), "own/jazz")
