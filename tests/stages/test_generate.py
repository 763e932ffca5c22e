"""What the stage makes of prompts and gaps; tests/pipeline/test_rebuild.py checks its output after `dvc repro`."""

import numpy as np
import pandas as pd
import pytest

from stages import generate
from stages.check import Params
from stages.midi.midi_io import read_midi
from stages.model import serialization
from stages.model.bilstm import BiLSTM
from stages.model.history import note_rows, padding_rows
from stages.representation.grid_encoding import STEP
from stages.samples.sample_set import Region, read_samples
from stages.utils import paths
from stages.utils.yaml_io import read_yaml
from tests.helpers.excerpts import distinct_fields, write_excerpts
from tests.helpers.source_analysis import ROOT

PARAMS = read_yaml(ROOT / "params.yaml", Params).generate


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """Work in a folder with an untrained model."""
    monkeypatch.chdir(tmp_path)
    paths.MODEL.parent.mkdir()
    serialization.save_model(BiLSTM(lstm_units=8, trunk_units=8, head_units=8, max_gap_notes=8), paths.MODEL)


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
    table = pd.read_csv(generate.SAMPLE_NLL).set_index(["music", "note_field"])["nll"]
    fields = ["step", "pitch", "duration", "velocity"]
    assert list(table.index) == [(music, field) for music in ("generated", "test") for field in ["total", *fields]]
    for music in ("generated", "test"):
        assert table[music, "total"] == pytest.approx(table[music][fields].sum(), abs=1e-3)


def test_a_gap_within_a_chord_gets_a_note(workspace):
    chord = np.array([[0, pitch, 10, 16] for pitch in range(10, 70)], np.int32)
    write_excerpts(chord)
    counts = {"improvisations": 0, "continuations": 0, "infills": 1, "metrics_only_improvisations": 0}
    generate.main(PARAMS.model_copy(update=counts | {"sample_notes": 16, "prompt_notes": 8, "gap_notes": 1}))
    _, notes = read_samples(paths.SAMPLES)
    assert notes.loc[notes["piece"] == 0, "generated"].sum() == 1


def test_the_nll_of_samples_and_of_excerpts_is_that_of_their_notes(workspace):
    excerpts = [distinct_fields(seed, 60) for seed in range(3)]
    write_excerpts(*excerpts)
    network = serialization.load_model(paths.MODEL)
    table = generate.score_improvisations(network, excerpts[:2], PARAMS.model_copy(update={"sample_notes": 20}))
    nll = table.set_index(["music", "note_field"])["nll"]
    rows = np.stack([np.concatenate([padding_rows((1,)), note_rows(fields)]) for fields in excerpts])
    each = np.asarray(network(rows)).sum(axis=-1)  # of each note, shape (3, 60)
    assert nll["generated", "total"] == pytest.approx(each[:2].mean(), abs=1e-3)
    assert nll["test", "total"] == pytest.approx(each[:, :20].mean(), abs=1e-3)
    assert set(generate.score_improvisations(network, [], PARAMS)["music"]) == {"test"}
