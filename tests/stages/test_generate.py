"""What the stage makes of prompts and gaps; tests/pipeline/test_rebuild.py checks its output after `dvc repro`."""

import numpy as np
import pandas as pd
import pytest

from stages import generate
from stages.check import Params
from stages.midi.midi_io import read_midi
from stages.model import serialization
from stages.model.bilstm import BiLSTM
from stages.representation.grid_encoding import STEP, decode
from stages.representation.note_table import PIECE_SCHEMA, write_notes, write_pieces
from stages.samples.sample_set import Region, read_samples
from stages.utils import paths
from stages.utils.errors import InputError
from stages.utils.yaml_io import read_yaml
from tests.helpers.numpy_model import random_fields
from tests.helpers.source_analysis import ROOT

PARAMS = read_yaml(ROOT / "params.yaml", Params).generate


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """Work in a folder with an untrained model."""
    monkeypatch.chdir(tmp_path)
    paths.MODEL.parent.mkdir()
    serialization.save_model(BiLSTM(units=8, trunk=8, head=8, longest_gap=8), paths.MODEL)


def distinct_fields(seed, notes):
    """Return notes on the grid, no two of one pitch at one onset."""
    fields = random_fields(seed, notes)
    fields[1:, STEP] += 1
    return fields


def write_excerpts(*excerpts):
    """Write excerpts of test music to data/excerpts."""
    tables = [decode(fields).assign(piece=np.int32(piece)) for piece, fields in enumerate(excerpts)]
    notes = pd.concat(tables, ignore_index=True) if tables else decode(np.zeros((0, 4), np.int32)).assign(piece=0)
    write_notes(paths.EXCERPTS / "test.parquet", notes)
    rows = [
        [piece, "test", f"Composer {piece}", f"Title {piece}", 0, f"{piece}.mid", len(fields), 9.0]
        for piece, fields in enumerate(excerpts)
    ]
    write_pieces(paths.EXCERPTS / "pieces.parquet", pd.DataFrame(rows, columns=PIECE_SCHEMA.names))


@pytest.mark.parametrize(
    "lengths, message",
    [
        ([], "there is no test music to take prompts and gaps from; add files or raise extract.test_fraction"),
        ([50], "no excerpt of test music has more than 100 notes, as prompts and gaps need; lower generate.prompt_not"),
    ],
)
def test_without_music_for_prompts_the_error_says_what_to_do(workspace, lengths, message):
    write_excerpts(*(random_fields(1, length) for length in lengths))
    with pytest.raises(InputError, match=message):
        generate.main(PARAMS)
    assert not paths.SAMPLES.exists()


def test_excerpts_are_the_middles_of_pieces_evenly_spaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pieces = [distinct_fields(seed, 40 + seed) for seed in range(6)]
    write_excerpts(*pieces, random_fields(9, 12))  # the last one is too short
    assert generate.take_excerpts(0, 12) == []
    excerpts = generate.take_excerpts(3, 12)
    assert [excerpt.title for excerpt in excerpts] == ["Title 1", "Title 3", "Title 5"]
    assert [excerpt.composer for excerpt in excerpts] == ["Composer 1", "Composer 3", "Composer 5"]
    for excerpt, number in zip(excerpts, (1, 3, 5), strict=True):
        first = (40 + number) // 2 - 6
        assert (excerpt.fields == pieces[number][first : first + 12]).all()


@pytest.mark.parametrize(
    "kind, generated, regions", [("continuation", 3, 1), ("improvisation", 3, 0), ("original", 0, 1)]
)
def test_a_sample_begins_after_the_lead_in_and_marks_what_is_generated(kind, generated, regions):
    fields = distinct_fields(1, 9)
    fields[0, STEP] = 70
    sample, notes = generate.make_sample(kind, 2, generate.SampleParts(fields[:4], fields[4:7], fields[7:]))
    assert (sample.name, sample.kind, sample.title, sample.composer) == (f"{kind}-2", kind, "", "")
    assert notes["start"][0] == pytest.approx(generate.LEAD_IN_SECONDS)
    assert notes["generated"].sum() == generated and notes["generated"][4:7].all() == (generated > 0)
    assert sample.notes == len(notes) == 9
    assert sample.seconds == pytest.approx((notes["start"] + notes["sounding_duration"]).max(), abs=0.01)
    start, end = (round(float(notes["start"][row]), 2) for row in (4, 7))
    expected = {
        "continuation": Region("prompt", generate.LEAD_IN_SECONDS, start),
        "original": Region("infill", start, end),
    }
    assert list(sample.regions) == ([expected[kind]] if regions else [])


def test_two_notes_of_one_pitch_in_a_frame_become_one():
    fields = np.int32([[0, 40, 10, 9], [0, 40, 30, 20], [5, 41, 10, 9]])
    sample, notes = generate.make_sample("original", 1, generate.SampleParts(fields[:1], fields[1:2], fields[2:]))
    assert sample.notes == 2 and notes["pitch"].tolist() == [61, 62]


@pytest.mark.slow
def test_all_samples_with_the_music_around_an_infill_unchanged(workspace):
    write_excerpts(*(distinct_fields(seed, 60) for seed in range(4)))
    counts = {"improvisations": 2, "continuations": 1, "infills": 1, "metrics_only_improvisations": 1}
    lengths = {"sample_notes": 16, "prompt_notes": 8, "gap_notes": 5}
    generate.main(PARAMS.model_copy(update=counts | lengths))
    samples, notes = read_samples(paths.SAMPLES)
    names = ["improvisation-1", "improvisation-2", "continuation-1", "infill-1", "original-1"]
    assert [sample.name for sample in samples] == names
    tables = [table.reset_index(drop=True) for _, table in notes.groupby("piece")]
    assert [len(table) for table in tables[:3]] == [16, 16, 24] and len(tables[5]) == 16
    assert [int(table["generated"].sum()) for table in tables[:3]] == [16, 16, 16] and tables[5]["generated"].all()
    assert samples[2].title == "Title 2" and samples[3].title == samples[4].title == "Title 2"
    infill, original = tables[3], tables[4]
    assert len(original) == 21 and not original["generated"].any()
    around = original.drop(index=range(8, 13))
    columns = ["start", "pitch", "velocity", "sounding_duration"]
    pd.testing.assert_frame_equal(
        infill.loc[~infill["generated"], columns].reset_index(drop=True), around[columns].reset_index(drop=True)
    )
    for sample, table in zip(samples, tables, strict=False):
        midi = read_midi((paths.SAMPLES / f"{sample.name}.mid").read_bytes())
        assert midi["pitch"].tolist() == table["pitch"].tolist()
