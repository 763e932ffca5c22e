"""The command line for people, on files as other programs write them, with a network that has learnt nothing."""

import contextlib
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest
import soundfile

import compose
from stages.generation import sampler
from stages.generation.sampler import SamplingConfig
from stages.midi import midi_io
from stages.model import serialization
from stages.model.bilstm import BiLSTM
from stages.utils.params import load_params
from tests.helpers import midi_bytes
from tests.helpers.source_analysis import ROOT
from tests.unit.midi.test_midi_editor import FILES

COLUMNS = ["start", "duration", "sustained", "pitch", "velocity"]


def tune(notes=60, **form):
    """A scale up and down, a note every quarter of a second at 120 quarter notes a minute, 480 ticks each."""
    ticks = form.get("division", 480) // 2
    events = []
    for place in range(notes):
        key = 48 + abs(place % 24 - 12)
        events += [(place * ticks, midi_bytes.on(key, 40 + place % 50)), ((place + 1) * ticks - 1, midi_bytes.off(key))]
    return midi_bytes.file(events, **({"kind": 0, "division": 480} | form))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    keras.utils.set_random_seed(1)
    network = BiLSTM(units=12, trunk=12, head=12, longest_gap=8)
    # A note every tenth of a second or so.
    network.step_logits.bias.assign(6.0 * (np.arange(64) == 10))
    path = tmp_path_factory.mktemp("model") / "m.keras"
    serialization.save_model(network, path)
    return path


@pytest.fixture
def call(model, tmp_path, monkeypatch, capsys):
    """Run a command line in an empty folder; returns the lines that it printed."""
    monkeypatch.chdir(tmp_path)

    def run(*words, model=model):
        monkeypatch.setattr(sys, "argv", ["compose.py", *map(str, words), "--model", str(model)])
        try:
            compose.main()
        except SystemExit as ended:
            if ended.code:
                raise
        return capsys.readouterr().out.splitlines()

    return run


def notes_of(path):
    return midi_io.read_midi(path.read_bytes())


def test_improvises_for_as_long_as_asked(call, tmp_path):
    assert call("improvise", "--seconds", 4) == ["improvisation.mid"]
    notes = notes_of(tmp_path / "improvisation.mid")
    assert len(notes) > 10 and 1 < notes["start"].max() < 4.01


def test_the_same_seed_plays_the_same_and_takes_differ(call, tmp_path):
    call("improvise", "--seconds", 2, "--takes", 2, "--seed", 5)
    first = [path.read_bytes() for path in sorted(tmp_path.glob("*.mid"))]
    assert sorted(path.name for path in tmp_path.glob("*.mid")) == ["improvisation-1.mid", "improvisation-2.mid"]
    assert first[0] != first[1]
    call("improvise", "--seconds", 2, "--takes", 2, "--seed", 5, "--force")
    assert [path.read_bytes() for path in sorted(tmp_path.glob("*.mid"))] == first
    call("improvise", "--seconds", 2, "--takes", 2, "--seed", 6, "--force")
    assert [path.read_bytes() for path in sorted(tmp_path.glob("*.mid"))] != first


@pytest.mark.parametrize(
    "data",
    [tune(), tune(division=96), tune(kind=1), *FILES.values()],
    ids=["format 0", "96 ticks", "format 1", *FILES],
)
def test_continues_any_file_and_leaves_it_as_it_was(call, tmp_path, data):
    (tmp_path / "mine.mid").write_bytes(data)
    assert call("continue", "mine.mid", "--seconds", 3) == ["mine-continued.mid"]
    before, after = midi_io.read_midi(data), notes_of(tmp_path / "mine-continued.mid")
    assert (tmp_path / "mine.mid").read_bytes() == data
    last = before["start"].max()
    old = after["start"] <= last + 1e-9
    pd.testing.assert_frame_equal(
        after.loc[old, ["start", "pitch", "velocity"]].iloc[: len(before)].reset_index(drop=True),
        before[["start", "pitch", "velocity"]],
        rtol=0,
        atol=1e-9,
    )
    new = after[~old]
    assert len(new) > 10
    assert last < new["start"].min() and last + 2 < new["start"].max() < last + 3.02


@pytest.mark.parametrize("form", [{}, {"division": 96}, {"kind": 1}], ids=["format 0", "96 ticks", "format 1"])
def test_fills_a_gap_and_leaves_the_rest_as_it_was(call, tmp_path, form):
    data = tune(**form)
    (tmp_path / "mine.mid").write_bytes(data)
    assert call("fill", "mine.mid", "--from", 5, "--to", 7.5) == ["mine-filled.mid"]
    before, after = midi_io.read_midi(data), notes_of(tmp_path / "mine-filled.mid")
    gone, new = (table[(table["start"] >= 5) & (table["start"] < 7.5)] for table in (before, after))
    # A sound before the gap may be ended by a new note of its key.
    columns = ["start", "duration", "pitch", "velocity"]
    kept = [table.drop(index=part.index)[columns] for table, part in ((before, gone), (after, new))]
    pd.testing.assert_frame_equal(*(table.reset_index(drop=True) for table in kept), rtol=0, atol=1e-9)
    assert 8 <= len(new) <= 10  # ten were there; two of them may fall together
    assert new["start"].min() >= 5
    assert new["pitch"].tolist() != gone["pitch"].tolist()


@pytest.mark.parametrize("start, end", [(5, 5.53), (5.03, 5.57), (4.999, 5.7), (2, 2.6)])
def test_fills_no_more_than_the_gap(call, tmp_path, start, end):
    """Ends that a sum of floating-point numbers misses by its last digit."""
    data = tune()
    (tmp_path / "mine.mid").write_bytes(data)
    call("fill", "mine.mid", "--from", start, "--to", end, "--notes", 60, "--temperature", 2)
    before, after = (table["start"] for table in (midi_io.read_midi(data), notes_of(tmp_path / "mine-filled.mid")))
    new = after[~after.isin(before)]
    assert len(new) > 5 and start <= new.min() and new.max() < end


def test_fills_as_densely_as_the_music_around_is(call, tmp_path):
    silent = [(0, 200, 60), (500, 700, 62), (9000, 9200, 64), (9500, 9700, 65)]
    events = [event for on, off, key in silent for event in ((on, midi_bytes.on(key)), (off, midi_bytes.off(key)))]
    (tmp_path / "mine.mid").write_bytes(midi_bytes.file(events))
    call("fill", "mine.mid", "--from", 2, "--to", 8)
    assert len(notes_of(tmp_path / "mine-filled.mid")) == 4 + round(4 * 6 / 20)
    call("fill", "mine.mid", "--from", 2, "--to", 8, "--notes", 12, "--out", "dense.mid")
    assert 4 + 10 <= len(notes_of(tmp_path / "dense.mid")) <= 4 + 12


def test_writes_sound_too(call, tmp_path):
    assert call("improvise", "--seconds", 2, "--audio", "--out", "a.mid") == ["a.mid", "a.mp3"]
    assert soundfile.info(tmp_path / "a.mp3").duration > 1


@pytest.mark.parametrize(
    "words, says",
    [
        (["continue", "none.mid"], "none.mid: No such file or directory"),
        (["continue", "text.mid"], "text.mid: not a MIDI file"),
        (["continue", "odd.mid"], "odd.mid: not readable as MIDI: Could not decode key with 8 sharps"),
        (["continue", "mine.mid"], "mine-continued.mid: exists already; --force overwrites it"),
        (["improvise", "--out", "nowhere/a.mid"], "nowhere: no such folder"),
        (["improvise", "--out", ".", "--force"], ".: is a folder; --out names a file in it"),
        (["fill", "mine.mid", "--from", "9", "--to", "3"], "--from 9 --to 3: the gap must end after it begins"),
        (["fill", "mine.mid", "--from", "14", "--to", "99"], "a gap needs notes before and after it"),
        (["fill", "mine.mid", "--from", "0", "--to", "2"], "a gap needs notes before and after it"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(call, tmp_path, words, says):
    (tmp_path / "mine.mid").write_bytes(tune())
    (tmp_path / "mine-continued.mid").write_bytes(b"precious")
    (tmp_path / "text.mid").write_text("no music", encoding="utf-8")
    (tmp_path / "odd.mid").write_bytes(
        midi_bytes.file([(0, b"\xff\x59\x02\x08\x00"), (0, midi_bytes.on(60)), (90, midi_bytes.off(60))])
    )
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(SystemExit) as ended:
        call(*words)
    assert says in ended.value.code and "\n" not in ended.value.code
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_without_a_model_it_says_how_to_get_one(call, tmp_path):
    with pytest.raises(SystemExit) as ended:
        call("improvise", model=tmp_path / "none.keras")
    assert "none.keras: no trained model there; `dvc repro train` makes one" in ended.value.code


def test_as_a_program(model, tmp_path):
    def run(*words):
        command = [sys.executable, str(ROOT / "compose.py"), *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    usage = run("--help")
    assert usage.returncode == 0
    for command in ("improvise", "continue", "fill"):
        assert command in usage.stdout
    wrong = run("continue", "none.mid")
    assert (wrong.returncode, wrong.stderr) == (1, "error: none.mid: No such file or directory\n")
    out_of_range = run("improvise", "--top-p", "2")
    assert out_of_range.returncode == 2 and "Traceback" not in out_of_range.stderr
    good = run("improvise", "--seconds", "1", "--model", str(model))
    assert (good.returncode, good.stdout) == (0, "improvisation.mid\n")
    assert (tmp_path / "improvisation.mid").exists()


def test_it_plays_as_the_committed_settings_do(call, monkeypatch):
    def played(network, prompts, notes, seed, taste, *rest):
        tastes.append(taste)
        return [np.zeros((0, 4), np.int32)] * len(prompts)

    tastes = []
    monkeypatch.setattr(sampler, "generate_continuations", played)
    with contextlib.suppress(SystemExit):  # for there are no notes to write
        call("improvise")
    settings = load_params(ROOT / "params.yaml").generate
    assert tastes == [SamplingConfig(settings.temperature, settings.top_p, settings.min_p, settings.steadiness)]
