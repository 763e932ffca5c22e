"""The folder of samples: what is written is read again, and MIDI files, list and note table belong together."""

import json

import numpy as np
import pandas as pd
import pytest

from stages.midi.midi_io import read_midi
from stages.representation.grid_encoding import decode
from stages.representation.note_table import read_notes
from stages.samples import sample_set
from stages.samples.sample_set import Region, Sample, read_samples
from stages.samples.sample_writer import write_samples
from stages.utils.errors import InputError
from tests.helpers.full_disk import disk_full_after
from tests.helpers.made_up_notes import random_fields


def note_table(seed, notes=20, real_notes=0):
    table = decode(random_fields(seed, notes)).drop_duplicates(["start", "pitch"]).reset_index(drop=True)
    table["step"] = np.diff(table["start"], prepend=table["start"][:1]).astype(np.float32)
    return table.assign(generated=np.arange(len(table)) >= real_notes)


def make_samples():
    improvisation = Sample("improvisation-1", "improvisation", "", "", 12.34, 20, ())
    regions = (Region("prompt", 0.5, 1.25),)
    continuation = Sample("continuation-1", "continuation", 'Étude "1"', "Frédéric Chopin", 5.0, 20, regions)
    return [(improvisation, note_table(1)), (continuation, note_table(2, real_notes=5))]


def test_samples_are_read_as_they_were_written(tmp_path):
    samples, metrics_only = make_samples(), [note_table(3)]
    write_samples(tmp_path / "samples", samples, metrics_only)
    read, notes = read_samples(tmp_path / "samples")
    assert read == [sample for sample, _ in samples]
    assert notes["piece"].unique().tolist() == [0, 1, 2]
    for piece, table in enumerate([table for _, table in samples] + metrics_only):
        part = notes[notes["piece"] == piece].drop(columns="piece").reset_index(drop=True)
        pd.testing.assert_frame_equal(part, table)
    assert notes["generated"].dtype == np.bool_


def test_only_samples_get_a_midi_file(tmp_path):
    write_samples(tmp_path / "samples", make_samples(), [note_table(3)])
    names = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert names == ["continuation-1.mid", "improvisation-1.mid", "notes.parquet", "samples.json"]
    for sample, table in make_samples():
        notes = read_midi((tmp_path / "samples" / f"{sample.name}.mid").read_bytes())
        assert notes["pitch"].tolist() == table["pitch"].tolist()


def test_samples_replace_earlier_ones(tmp_path):
    write_samples(tmp_path / "samples", make_samples(), [])
    write_samples(tmp_path / "samples", make_samples()[:1], [])
    assert len(list((tmp_path / "samples").glob("*.mid"))) == 1


def test_on_a_full_disk_the_earlier_samples_stay(tmp_path):
    write_samples(tmp_path / "samples", make_samples()[:1], [])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with disk_full_after(100), pytest.raises(OSError, match="File too large") as raised:
        write_samples(tmp_path / "samples", make_samples(), [])
    assert "samples" in str(raised.value.filename)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_no_samples_make_an_empty_note_table_of_the_same_columns(tmp_path):
    write_samples(tmp_path / "none", [], [])
    write_samples(tmp_path / "some", make_samples(), [])
    samples, notes = read_samples(tmp_path / "none")
    assert samples == [] and notes.empty
    assert notes.dtypes.equals(read_notes(tmp_path / "some/notes.parquet").dtypes)


def test_an_error_leaves_no_folder(tmp_path):
    samples = make_samples()
    samples[1][1]["pitch"] = -1
    with pytest.raises(ValueError):
        write_samples(tmp_path / "samples", samples, [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        [{"name": "filling-1", "kind": "filling"}],
        [make_samples()[0][0].__dict__ | {"length": 3}],
        [make_samples()[0][0].__dict__ | {"regions": [{"kind": "prompt", "from": 1}]}],
        ["improvisation-1"],
        5,
    ],
)
def test_a_list_of_another_version_is_refused(tmp_path, content):
    write_samples(tmp_path, make_samples(), [])
    (tmp_path / "samples.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match=r"samples\.json: not a list of samples of this version"):
        read_samples(tmp_path)


@pytest.mark.parametrize("name", ["samples.json", "notes.parquet"])
def test_a_missing_file_is_named(tmp_path, name):
    write_samples(tmp_path, make_samples(), [])
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match=name):
        read_samples(tmp_path)


def test_kinds():
    assert sample_set.KINDS == ("improvisation", "continuation", "infill", "original")
    assert sample_set.REGION_KINDS == ("prompt", "infill")
