"""The committed archive is what the program makes, and has the format of MAESTRO."""

import zipfile
from collections import Counter
from pathlib import Path

import pytest

from stages.datasets import catalog, splits
from stages.etudes import __main__
from stages.etudes.edition import COLUMNS

FOLDER = Path("data/etudes")


def test_program_makes_the_committed_files(tmp_path, monkeypatch, capsys):
    committed = {name: (FOLDER / name).read_bytes() for name in ("etudes.zip", "SHA256SUMS")}
    entry = catalog.read_record(FOLDER)
    (tmp_path / FOLDER).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    __main__.main()
    assert {path.name: path.read_bytes() for path in FOLDER.iterdir()} == committed
    assert capsys.readouterr().out == f"sha256: {entry.sha256}\nunpacked_bytes: {entry.unpacked_bytes}\n"


def test_archive_depends_on_neither_zlib_nor_the_clock():
    with zipfile.ZipFile(FOLDER / "etudes.zip") as archive:
        for entry in archive.infolist():
            assert (entry.compress_type, entry.date_time[0], entry.create_system) == (zipfile.ZIP_STORED, 1980, 3)
    assert (FOLDER / "etudes.zip").stat().st_size < 400_000


def test_table_has_the_format_of_maestro_and_is_correct(archive_files, table, messages, performances):
    assert tuple(table[0]) == COLUMNS
    files = {f"etudes-v1/{row['midi_filename']}" for row in table}
    assert len(table) == len(files) == 60
    assert files == {name for name in archive_files if name.endswith(".midi")}
    for row in table:
        assert row["midi_filename"].startswith(f"{row['year']}/")
        assert row["audio_filename"] == row["midi_filename"].replace(".midi", ".wav")
        assert messages[row["canonical_title"]].tracks[1].name == row["canonical_title"]
        piece = performances[row["canonical_title"]]
        assert float(row["duration"]) == pytest.approx(piece.get_end_time(), abs=1e-5)
        assert 45 < float(row["duration"]) < 121
        assert 250 <= len(piece.instruments[0].notes) <= 700


def test_splits_have_common_characters_but_no_common_title(table):
    titles = {split: [row["canonical_title"] for row in table if row["split"] == split] for split in splits.SPLITS}
    assert {split: len(names) for split, names in titles.items()} == {"train": 48, "validation": 6, "test": 6}
    assert len(set().union(*titles.values())) == 60
    characters = {split: Counter(name.split(" No. ")[0] for name in names) for split, names in titles.items()}
    assert set(characters["validation"]) | set(characters["test"]) == set(characters["train"])
    assert set(characters["train"].values()) == {4}
