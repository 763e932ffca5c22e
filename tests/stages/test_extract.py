"""The stage extract, from data/raw to the note tables and its reports, in a folder of its own."""

import csv
import json
import os
import random
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages import excerpt, extract, train
from stages.midi.midi_io import read_midi
from stages.params.excerpt import ExcerptParams
from stages.params.extract import ExtractParams
from stages.representation import note_table
from stages.utils.csv_io import read_csv, write_csv
from stages.utils.errors import InputError
from tests.helpers import midi_bytes
from tests.helpers.midi_bytes import note_off, note_on, pedal, tempo
from tests.helpers.source_analysis import ROOT

TABLE = "canonical_composer,canonical_title,split,year,midi_filename,audio_filename,duration\n"


@pytest.fixture(autouse=True)
def repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("data/raw").mkdir(parents=True)
    return tmp_path


def song(number: int, num_notes: int = 3) -> bytes:
    """Return a short piece, a different one for each number."""
    keys = [60 + (number + step) % 12 for step in range(num_notes)]
    events = [(100 * step, note_on(key, 50 + number % 60)) for step, key in enumerate(keys)]
    return midi_bytes.file(events + [(100 * step + 50 + number, note_off(key)) for step, key in enumerate(keys)])


def put(**files: bytes) -> None:
    for name, content in files.items():
        path = Path("data/raw", name.replace("__", "/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".mid").write_bytes(content)


def run(validation_fraction=0.2, test_fraction=0.2, max_unreadable_fraction=0.5) -> None:
    params = ExtractParams(
        validation_fraction=float(validation_fraction),
        test_fraction=float(test_fraction),
        max_unreadable_fraction=float(max_unreadable_fraction),
    )
    extract.main(params)


def sizes() -> dict[str, dict[str, str]]:
    """Return the rows of splits.csv by split."""
    return {row["split"]: row for row in read_rows("splits")}


def unreadable() -> dict[str, str]:
    """Return the reasons in unreadable.csv by file."""
    return {row["file"]: row["reason"] for row in read_rows("unreadable")}


def read_rows(name: str) -> list[dict[str, str]]:
    with Path(f"reports/{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def tables() -> dict[str, pd.DataFrame]:
    return {split: note_table.read_notes(f"data/notes/{split}.parquet") for split in ("train", "validation", "test")}


def outs() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for folder in ("data/notes", "reports") for path in Path(folder).iterdir()}


def test_pandas_is_not_imported():
    """Because that takes a third of a second, and extract reads all of MAESTRO in two."""
    put(song=song(1))
    shutil.copy(ROOT / "params.yaml", ".")
    program = (
        "import sys; from stages import extract; from stages.params.extract import ExtractParams;"
        " from stages.utils.params_file import read_sections; extract.main(**read_sections(extract=ExtractParams));"
        " print(*sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert "pyarrow" in done.stdout.split()
    assert "pandas" not in done.stdout.split()


def test_every_piece_is_in_the_table_of_its_split():
    for number in range(30):
        put(**{f"folder{number % 3}__song{number}": song(number)})
    run()
    pieces = note_table.read_pieces("data/notes/pieces.parquet")
    assert sorted(pieces["file"]) == sorted(f"folder{number % 3}/song{number}.mid" for number in range(30))
    assert set(pieces["split"]) == {"train", "validation", "test"}
    for split, table in tables().items():
        pieces_of_split = pieces[pieces["split"] == split]
        assert table["piece"].unique().tolist() == pieces_of_split["piece"].tolist()
        for _, piece in pieces_of_split.iterrows():
            expected = read_midi(Path("data/raw", piece["file"]).read_bytes())
            found = table[table["piece"] == piece["piece"]].reset_index(drop=True)
            pd.testing.assert_frame_equal(found[list(expected)], expected.astype(found[list(expected)].dtypes))
            assert piece["notes"] == len(expected)
            assert piece["seconds"] == pytest.approx((expected["start"] + expected["sounding_duration"]).max())
        assert int(sizes()[split]["pieces"]) == len(pieces_of_split)
        assert int(sizes()[split]["notes"]) == len(table)
        assert float(sizes()[split]["hours"]) == pytest.approx(pieces_of_split["seconds"].sum() / 3600, rel=1e-5)
    assert list(sizes()) == ["train", "validation", "test"]
    assert json.loads(Path("reports/corpus.json").read_text()) == {"pieces": 30, "notes": pieces["notes"].sum()}
    assert Path("reports/unreadable.csv").read_text() == "file,reason\n"


def test_the_quantiles_are_those_of_each_column():
    random_notes = random.Random(1)
    for number in range(4):
        events = [(0, tempo(487_321)), (0, pedal(127)), (5000, pedal(0))]
        for start in random_notes.sample(range(9000), 200):
            key = random_notes.randrange(30, 90)
            events += [
                (start, note_on(key, random_notes.randrange(1, 128))),
                (start + random_notes.randrange(9, 900), note_off(key)),
            ]
        put(**{f"song{number}": midi_bytes.file(events)})
    run(0, 0)
    table = tables()["train"]
    features = ("step", "key_duration", "sounding_duration", "pitch", "velocity")
    rows = read_rows("quantiles")
    assert [(row["split"], row["feature"], row["quantile"]) for row in rows] == [
        ("train", feature, quantile) for feature in features for quantile in ("0.05", "0.25", "0.5", "0.75", "0.95")
    ]
    for row in rows:
        expected = np.quantile(table[row["feature"]], float(row["quantile"]), method="inverted_cdf")
        assert float(row["value"]) == pytest.approx(expected, abs=5.1e-5), row


def test_the_csv_reports_have_the_format_of_csv_io():
    put(one=song(1), two=song(2), bad=b"MThd")
    Path("data/raw/bad.mid").rename('data/raw/a "bad", one.mid')
    run(0, 0)
    for name in ("splits", "quantiles", "unreadable"):
        path = Path(f"reports/{name}.csv")
        write_csv(Path("again.csv"), read_csv(path))
        assert path.read_bytes() == Path("again.csv").read_bytes()


def test_a_table_of_pieces_gives_splits_and_metadata():
    put(set__a=song(1), set__b=song(2), set__c=song(3), set__unlisted=song(4))
    rows = "Frédéric Chopin,Étude,train,2004,a.mid,,\n,,test,,b.mid,,\nBach,Fugue,validation,2011,c.mid,,\n"
    Path("data/raw/set/set.csv").write_text(TABLE + rows, encoding="utf-8")
    run()
    pieces = note_table.read_pieces("data/notes/pieces.parquet").drop(columns="seconds")
    assert pieces.to_numpy().tolist() == [
        [0, "train", "Frédéric Chopin", "Étude", 2004, "set/a.mid", 3],
        [1, "test", "", "", 0, "set/b.mid", 3],
        [2, "validation", "Bach", "Fugue", 2011, "set/c.mid", 3],
    ]
    assert [table["piece"].tolist() for table in tables().values()] == [[0] * 3, [2] * 3, [1] * 3]


def test_an_error_names_the_table_row_without_a_file():
    put(set__a=song(1))
    Path("data/raw/set/set.csv").write_text(TABLE + ",,train,,a.mid,,\n,,train,,gone.mid,,\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"line 3.*gone\.mid"):
        run()


def test_unreadable_files_are_listed_with_the_reason_and_pieces_are_numbered_without_gaps():
    put(a=song(1), b=b"MThd?", c=song(2), d=song(3)[:-9], e=midi_bytes.file([(0, pedal(1))]), f=song(4))
    run(0, 0)
    assert list(unreadable()) == ["b.mid", "d.mid", "e.mid"]
    assert all(unreadable().values())
    assert note_table.read_pieces("data/notes/pieces.parquet")["file"].tolist() == ["a.mid", "c.mid", "f.mid"]
    assert tables()["train"]["piece"].unique().tolist() == [0, 1, 2]


def test_too_many_unreadable_files_are_an_error_and_only_their_list_is_written():
    put(a=song(1), b=b"", c=b"", d=b"", e=b"")
    with pytest.raises(InputError, match=r"4 of 5.*max_unreadable_fraction = 0\.75: b\.mid: .*; \.\.\.") as caught:
        run(0, 0, max_unreadable_fraction=0.75)
    assert "\n" not in str(caught.value) and str(caught.value).endswith("reports/unreadable.csv lists all of them")
    assert [path.name for path in Path("reports").iterdir()] == ["unreadable.csv"]
    assert list(unreadable()) == ["b.mid", "c.mid", "d.mid", "e.mid"]
    assert not list(Path("data/notes").iterdir())
    run(0, 0, max_unreadable_fraction=0.8)


def test_no_readable_file_is_an_error_whatever_the_fraction():
    put(a=b"")
    with pytest.raises(InputError, match="1 of 1"):
        run(max_unreadable_fraction=1.0)


def test_a_split_without_pieces_is_an_empty_table_but_training_needs_pieces():
    put(a=song(1), b=song(2))
    run(0, 0)
    assert [len(table) for table in tables().values()] == [6, 0, 0]
    assert sizes()["test"] == {"split": "test", "pieces": "0", "notes": "0", "hours": "0"}
    assert {row["split"] for row in read_rows("quantiles")} == {"train"}
    Path("data/raw/set.csv").write_text(TABLE + ",,test,,a.mid,,\n", encoding="utf-8")
    with pytest.raises(InputError, match="training"):
        run()


def test_the_stage_writes_the_same_bytes_with_any_number_of_workers():
    with zipfile.ZipFile(ROOT / "data/etudes/etudes.zip") as archive:
        archive.extractall("data/raw")
    shutil.copy(ROOT / "params.yaml", ".")
    seen = []
    for workers, seed in (("1", "1"), ("3", "2")):
        environment = os.environ | {"LOKY_MAX_CPU_COUNT": workers, "PYTHONHASHSEED": seed}
        command = [sys.executable, str(ROOT / "stages"), "extract"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert "reading MIDI: 100%" in done.stderr
        seen.append(outs())
        tables_written = {"train.parquet", "validation.parquet", "test.parquet", "pieces.parquet"}
        assert set(seen[-1]) == tables_written | {"corpus.json", "splits.csv", "quantiles.csv", "unreadable.csv"}
        shutil.rmtree("data/notes")
    assert seen[0] == seen[1]


def test_a_split_too_large_for_one_file_is_a_folder_that_other_stages_read_alike(monkeypatch):
    for number in range(40):
        put(**{f"song{number}": song(number, num_notes=40)})
    excerpts = []
    for max_notes in (note_table.MAX_NOTES, 200):
        monkeypatch.setattr(note_table, "MAX_NOTES", max_notes)
        monkeypatch.setattr(note_table, "ROW_GROUP_SIZE", 100)
        run()
        assert Path("data/notes/train.parquet").is_dir() == (max_notes == 200)
        excerpt.main(ExcerptParams(max_excerpts=3, excerpt_notes=32))
        excerpts.append({path.name: path.read_bytes() for path in Path("data/excerpts").iterdir()})
        reports = [path.read_bytes() for path in sorted(Path("reports").iterdir())]
        excerpts[-1] |= {"reports": reports, "tables": [table.to_numpy().tolist() for table in tables().values()]}
    assert len(list(Path("data/notes/train.parquet").iterdir())) > 3
    assert excerpts[0] == excerpts[1]
    files = train.fingerprint_files()
    assert Path("data/notes/train.parquet/part-00003.parquet") in files and all(file.is_file() for file in files)


def test_damaged_files_are_unreadable_or_give_valid_notes():
    """Mutations of a real piece; the check of the note table would stop the stage at an invalid row."""
    with zipfile.ZipFile(ROOT / "data/etudes/etudes.zip") as archive:
        whole = archive.read(min(name for name in archive.namelist() if name.endswith(".midi")))
    generator = random.Random(7)
    for number in range(600):
        data = bytearray(whole)
        for _ in range(generator.choice([1, 3, 30])):
            place = generator.randrange(len(data))
            match generator.randrange(4):
                case 0:
                    data[place] ^= 1 << generator.randrange(8)
                case 1:
                    data[place : place + 4] = generator.randbytes(4)
                case 2:
                    del data[place : place + generator.choice([1, 50])]
                case 3:
                    data[place:place] = b"\xff" * generator.choice([1, 4])
        if generator.random() < 0.7 and data[:4] == whole[:4]:
            # With the length of its last track corrected, the file passes the first check.
            track = data.rfind(b"MTrk")
            data[track + 4 : track + 8] = (len(data) - track - 8).to_bytes(4, "big")
        put(**{f"damaged{number:03}": bytes(data)})
    run(0, 0, max_unreadable_fraction=1.0)
    num_readable, num_unreadable = int(sizes()["train"]["pieces"]), len(unreadable())
    assert num_readable + num_unreadable == 600
    assert min(num_readable, num_unreadable) > 50
