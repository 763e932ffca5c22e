"""The stage from data/raw to the note tables and reports/corpus.json, in a folder of its own."""

import json
import os
import random
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from stages import extract
from stages.midi import midi_pool
from stages.midi.midi_io import read_midi
from stages.representation import note_table
from stages.utils.errors import InputError
from tests.helpers import midi_bytes
from tests.helpers.midi_bytes import off, on, pedal, tempo
from tests.helpers.source_analysis import ROOT

TABLE = "canonical_composer,canonical_title,split,year,midi_filename,audio_filename,duration\n"


@pytest.fixture(autouse=True)
def repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("data/raw").mkdir(parents=True)
    return tmp_path


def song(number: int, seed_notes: int = 3) -> bytes:
    """A short piece; each number gives another one."""
    keys = [60 + (number + step) % 12 for step in range(seed_notes)]
    events = [(100 * step, on(key, 50 + number % 60)) for step, key in enumerate(keys)]
    return midi_bytes.file(events + [(100 * step + 50 + number, off(key)) for step, key in enumerate(keys)])


def put(**files: bytes) -> None:
    for name, content in files.items():
        path = Path("data/raw", name.replace("__", "/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".mid").write_bytes(content)


def run(validation_share=0.2, test_share=0.2, bad_share=0.5) -> dict:
    shares = {"validation_share": validation_share, "test_share": test_share, "bad_share": bad_share}
    extract.main(SimpleNamespace(extract=SimpleNamespace(**shares)))
    return json.loads(Path("reports/corpus.json").read_text(encoding="utf-8"))


def tables() -> dict[str, pd.DataFrame]:
    return {split: note_table.read_notes(f"data/notes/{split}.parquet") for split in ("train", "validation", "test")}


def outs() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for folder in ("data/notes", "reports") for path in Path(folder).iterdir()}


def test_pandas_stays_out():
    """Which takes a third of a second to import; all of MAESTRO is read in two."""
    put(song=song(1))
    shutil.copy(ROOT / "params.yaml", ".")
    program = (
        "import sys; from stages import extract; from stages.utils.params import load_params;"
        " extract.main(load_params()); print(*sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert "pyarrow" in done.stdout.split()
    assert "pandas" not in done.stdout.split()


def test_every_piece_is_in_the_table_of_its_split():
    for number in range(30):
        put(**{f"folder{number % 3}__song{number}": song(number)})
    report = run()
    pieces = note_table.read_pieces("data/notes/pieces.parquet")
    assert sorted(pieces["file"]) == sorted(f"folder{number % 3}/song{number}.mid" for number in range(30))
    assert set(pieces["split"]) == {"train", "validation", "test"}
    for split, table in tables().items():
        of_split = pieces[pieces["split"] == split]
        assert table["piece"].unique().tolist() == of_split["piece"].tolist()
        for _, piece in of_split.iterrows():
            expected = read_midi(Path("data/raw", piece["file"]).read_bytes())
            found = table[table["piece"] == piece["piece"]].reset_index(drop=True)
            pd.testing.assert_frame_equal(found[list(expected)], expected.astype(found[list(expected)].dtypes))
            assert piece["notes"] == len(expected)
            assert piece["seconds"] == pytest.approx((expected["start"] + expected["sustained"]).max())
        assert report[split]["pieces"] == len(of_split)
        assert report[split]["notes"] == len(table)
        assert report[split]["hours"] == pytest.approx(of_split["seconds"].sum() / 3600, abs=5.1e-5)
    assert report["unreadable"] == {"count": 0, "files": []}


def test_the_report_has_the_quantiles_of_each_column():
    random_notes = random.Random(1)
    for number in range(4):
        events = [(0, tempo(487_321)), (0, pedal(127)), (5000, pedal(0))]
        for start in random_notes.sample(range(9000), 200):
            key = random_notes.randrange(30, 90)
            events += [
                (start, on(key, random_notes.randrange(1, 128))),
                (start + random_notes.randrange(9, 900), off(key)),
            ]
        put(**{f"song{number}": midi_bytes.file(events)})
    report = run(0, 0)["train"]
    table = tables()["train"]
    for name in ("step", "duration", "sustained", "pitch", "velocity"):
        for key, share in (("q05", 0.05), ("q25", 0.25), ("q50", 0.5), ("q75", 0.75), ("q95", 0.95)):
            expected = np.quantile(table[name], share, method="inverted_cdf")
            assert report[name][key] == pytest.approx(expected, abs=5.1e-5), (name, key)


def test_the_report_reads_well():
    put(one=song(1))
    run(0, 0)
    text = Path("reports/corpus.json").read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"
    assert json.loads(text)["contract"] == note_table.SCHEMA_VERSION


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


def test_a_row_without_a_file_is_named():
    put(set__a=song(1))
    Path("data/raw/set/set.csv").write_text(TABLE + ",,train,,a.mid,,\n,,train,,gone.mid,,\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"line 3.*gone\.mid"):
        run()


def test_unreadable_files_are_named_with_the_reason_and_leave_no_gap():
    put(a=song(1), b=b"MThd?", c=song(2), d=song(3)[:-9], e=midi_bytes.file([(0, pedal(1))]), f=song(4))
    report = run(0, 0)
    assert report["unreadable"]["count"] == 3
    assert [bad["file"] for bad in report["unreadable"]["files"]] == ["b.mid", "d.mid", "e.mid"]
    assert all(bad["reason"] for bad in report["unreadable"]["files"])
    assert note_table.read_pieces("data/notes/pieces.parquet")["file"].tolist() == ["a.mid", "c.mid", "f.mid"]
    assert tables()["train"]["piece"].unique().tolist() == [0, 1, 2]


def test_too_many_unreadable_files_fail_and_leave_nothing():
    put(a=song(1), b=b"", c=b"", d=b"", e=b"")
    with pytest.raises(InputError, match=r"4 of 5.*0\.75.*b\.mid: .*; \.\.\.") as caught:
        run(0, 0, bad_share=0.75)
    assert "\n" not in str(caught.value)
    assert not Path("reports").exists()
    assert not list(Path("data/notes").iterdir())
    run(0, 0, bad_share=0.8)


def test_nothing_readable_fails_whatever_is_allowed():
    put(a=b"")
    with pytest.raises(InputError, match="1 of 1"):
        run(bad_share=1.0)


def test_a_split_without_pieces_is_an_empty_table_but_training_needs_some():
    put(a=song(1), b=song(2))
    report = run(0, 0)
    assert [len(table) for table in tables().values()] == [6, 0, 0]
    assert report["test"] == {
        "pieces": 0, "notes": 0, "hours": 0.0,
        "step": {}, "duration": {}, "sustained": {}, "pitch": {}, "velocity": {},
    }  # fmt: skip
    Path("data/raw/set.csv").write_text(TABLE + ",,test,,a.mid,,\n", encoding="utf-8")
    with pytest.raises(InputError, match="training"):
        run()


def test_whole_process_gives_the_same_bytes_whatever_the_number_of_workers():
    with zipfile.ZipFile(ROOT / "data/etudes/etudes.zip") as archive:
        archive.extractall("data/raw")
    shutil.copy(ROOT / "params.yaml", ".")
    seen = []
    for workers, seed in (("1", "1"), ("3", "2")):
        environment = os.environ | {
            "PYTHONPATH": str(ROOT), "LOKY_MAX_CPU_COUNT": workers, "PYTHONHASHSEED": seed,
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "stages.extract"], env=environment, capture_output=True, text=True, check=True
        )
        assert "reading MIDI: 100%" in done.stderr
        seen.append(outs())
        assert set(seen[-1]) == {"train.parquet", "validation.parquet", "test.parquet", "pieces.parquet", "corpus.json"}
        shutil.rmtree("data/notes")
    assert seen[0] == seen[1]


def test_a_file_that_crashes_the_reader_is_reported_like_any_other(monkeypatch):
    monkeypatch.setattr(midi_pool, "FILES_PER_TASK", 2)
    for number in range(6):
        put(**{f"song{number}": song(number)})
    careful = midi_pool._read

    def read(paths):  # nested, so that the worker gets the function itself and not its name
        if any(path.stem == "song2" for path in paths):
            os.abort()
        return careful(paths)

    monkeypatch.setattr(midi_pool, "_read", read)
    report = run(0, 0)
    assert report["unreadable"]["files"] == [{"file": "song2.mid", "reason": midi_pool.CRASH_REASON}]
    assert report["train"]["pieces"] == 5


def test_damaged_files_are_refused_or_obey_the_contract():
    """Mutations of a real piece; the tables' own checks would stop the stage at a row that breaks the contract."""
    with zipfile.ZipFile(ROOT / "data/etudes/etudes.zip") as archive:
        whole = archive.read(min(name for name in archive.namelist() if name.endswith(".midi")))
    chance = random.Random(7)
    for number in range(600):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 3, 30])):
            place = chance.randrange(len(data))
            match chance.randrange(4):
                case 0:
                    data[place] ^= 1 << chance.randrange(8)
                case 1:
                    data[place : place + 4] = chance.randbytes(4)
                case 2:
                    del data[place : place + chance.choice([1, 50])]
                case 3:
                    data[place:place] = b"\xff" * chance.choice([1, 4])
        if chance.random() < 0.7 and data[:4] == whole[:4]:
            # With the right length of its last track again the file gets past the first check.
            track = data.rfind(b"MTrk")
            data[track + 4 : track + 8] = (len(data) - track - 8).to_bytes(4, "big")
        put(**{f"damaged{number:03}": bytes(data)})
    report = run(0, 0, bad_share=1.0)
    assert report["train"]["pieces"] + report["unreadable"]["count"] == 600
    assert min(report["train"]["pieces"], report["unreadable"]["count"]) > 50
    assert all(bad["reason"] != midi_pool.CRASH_REASON for bad in report["unreadable"]["files"])
