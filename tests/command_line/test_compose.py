"""The command line on MIDI files as other programs write them, with an untrained network."""

import contextlib
import functools
import os
import shutil
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest
import soundfile

import compose
from stages.check import Params
from stages.generation import continuation, infill
from stages.generation.sampling_config import SamplingConfig
from stages.midi import midi_io
from stages.model import serialization
from stages.model.bilstm import BiLSTM
from stages.representation.grid_encoding import DURATION
from stages.utils.yaml_io import read_yaml
from tests.helpers import midi_bytes
from tests.helpers.full_disk import disk_full_after
from tests.helpers.source_analysis import ROOT
from tests.unit.midi.test_midi_editor import FILES, note_events

GENERATE = read_yaml(ROOT / "params.yaml", Params).generate


def scale(notes=60, division=480, kind=0):
    """Return a file with a scale up and down, a note every quarter of a second."""
    ticks = division // 2
    events = []
    for index in range(notes):
        pitch, onset = 48 + abs(index % 24 - 12), index * ticks
        events += [(onset, midi_bytes.note_on(pitch, 40 + index % 50)), (onset + ticks - 1, midi_bytes.note_off(pitch))]
    return midi_bytes.file(events, kind=kind, division=division)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    keras.utils.set_random_seed(1)
    network = BiLSTM(lstm_units=12, trunk_units=12, head_units=12, max_gap_notes=8)
    # About ten notes a second.
    network.step_logits.bias.assign(6.0 * (np.arange(64) == 10))
    path = tmp_path_factory.mktemp("model") / "m.keras"
    serialization.save_model(network, path)
    return path


@pytest.fixture(scope="module", autouse=True)
def loaded_once(kept_samplers):
    """Load the model once, so that its sampler is compiled once. Tests that start a program do without."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serialization, "load_model", functools.cache(serialization.load_model))
        yield


@pytest.fixture
def call(model, tmp_path, monkeypatch, capsys):
    """Run a command line in an empty folder; return the lines that it printed."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, model=model):
        monkeypatch.setattr(sys, "argv", ["compose.py", *map(str, arguments), "--model", str(model)])
        try:
            compose.main()
        except SystemExit as exit_info:
            if exit_info.code:
                raise
        return capsys.readouterr().out.splitlines()

    return run


def notes_of(path):
    return midi_io.read_midi(path.read_bytes())


def test_improvise_has_the_length_asked_for(call, tmp_path):
    assert call("improvise", "--seconds", 4) == ["improvisation.mid"]
    notes = notes_of(tmp_path / "improvisation.mid")
    assert len(notes) > 10 and 1 < notes["start"].max() < 4.01


@pytest.mark.slow
def test_the_same_seed_gives_the_same_notes_and_takes_differ(call, tmp_path):
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
    [scale(), scale(division=96), scale(kind=1), *FILES.values()],
    ids=["format 0", "96 ticks", "format 1", *FILES],
)
def test_continue_leaves_the_notes_of_the_file_unchanged(call, tmp_path, data):
    (tmp_path / "mine.mid").write_bytes(data)
    assert call("continue", "mine.mid", "--seconds", 3) == ["mine-continued.mid"]
    before, after = midi_io.read_midi(data), notes_of(tmp_path / "mine-continued.mid")
    assert (tmp_path / "mine.mid").read_bytes() == data
    last_onset = before["start"].max()
    is_old = after["start"] <= last_onset + 1e-9
    pd.testing.assert_frame_equal(
        after.loc[is_old, ["start", "pitch", "velocity"]].iloc[: len(before)].reset_index(drop=True),
        before[["start", "pitch", "velocity"]],
        rtol=0,
        atol=1e-9,
    )
    new = after[~is_old]
    assert len(new) > 10
    assert last_onset < new["start"].min() and last_onset + 2 < new["start"].max() < last_onset + 3.02


@pytest.mark.parametrize("form", [{}, {"division": 96}, {"kind": 1}], ids=["format 0", "96 ticks", "format 1"])
def test_infill_leaves_the_notes_around_the_gap_unchanged(call, tmp_path, form):
    data = scale(**form)
    (tmp_path / "mine.mid").write_bytes(data)
    assert call("infill", "mine.mid", "--from", 5, "--to", 7.5) == ["mine-infilled.mid"]
    before, after = midi_io.read_midi(data), notes_of(tmp_path / "mine-infilled.mid")
    replaced, new = (table[(table["start"] >= 5) & (table["start"] < 7.5)] for table in (before, after))
    # Not the sounding duration: a note before the gap may be cut off by a new note of its pitch.
    columns = ["start", "key_duration", "pitch", "velocity"]
    around = [table.drop(index=part.index)[columns] for table, part in ((before, replaced), (after, new))]
    pd.testing.assert_frame_equal(*(table.reset_index(drop=True) for table in around), rtol=0, atol=1e-9)
    assert 8 <= len(new) <= 10  # the gap had ten; two new ones may be the same note
    assert new["start"].min() >= 5
    assert new["pitch"].tolist() != replaced["pitch"].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("start, end", [(5, 5.53), (5.03, 5.57), (4.999, 5.7), (2, 2.6)])
def test_infill_stays_within_the_gap(call, tmp_path, start, end):
    """Times that a sum of floating-point numbers misses by its last digit."""
    data = scale()
    (tmp_path / "mine.mid").write_bytes(data)
    call("infill", "mine.mid", "--from", start, "--to", end, "--notes", 60, "--temperature", 2)
    before, after = (table["start"] for table in (midi_io.read_midi(data), notes_of(tmp_path / "mine-infilled.mid")))
    new = after[~after.isin(before)]
    assert len(new) > 5 and start <= new.min() and new.max() < end


@pytest.mark.slow
def test_infill_of_an_empty_gap_is_as_dense_as_the_music_around_it(call, tmp_path):
    notes = [(0, 200, 60), (500, 700, 62), (9000, 9200, 64), (9500, 9700, 65)]
    (tmp_path / "mine.mid").write_bytes(midi_bytes.file(note_events(*notes)))
    call("infill", "mine.mid", "--from", 2, "--to", 8)
    assert len(notes_of(tmp_path / "mine-infilled.mid")) == 4 + round(4 * 6 / 20)
    call("infill", "mine.mid", "--from", 2, "--to", 8, "--notes", 12, "--out", "dense.mid")
    assert 4 + 10 <= len(notes_of(tmp_path / "dense.mid")) <= 4 + 12


def test_what_is_removed_from_a_gap_decides_nothing(call, tmp_path, monkeypatch):
    # Under the pedal the first note sounds until its key is struck again: in the gap, or else after it.
    events = [(0, midi_bytes.pedal(127))]
    for onset, pitch in [(100, 60), (3000, 60), (6000, 64), (9000, 60)]:
        events += [(onset, midi_bytes.note_on(pitch)), (onset + 100, midi_bytes.note_off(pitch))]
    (tmp_path / "a.mid").write_bytes(midi_bytes.file(events))
    gaps = []

    def generate(network, request, seed, config, progress):
        gaps.extend(request.gaps)
        return [np.array([[250, 40, 10, 16]], np.int32)]

    monkeypatch.setattr(infill, "generate_infills", generate)
    call("infill", "a.mid", "--from", 2, "--to", 5)
    assert [gap.past[:, DURATION].tolist() for gap in gaps] == [[890]]


@pytest.mark.slow
def test_audio_writes_an_mp3_file(call, tmp_path):
    assert call("improvise", "--seconds", 2, "--audio", "--out", "a.mid") == ["a.mid", "a.mp3"]
    assert soundfile.info(tmp_path / "a.mp3").duration > 1


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["continue", "none.mid"], "none.mid: No such file or directory"),
        (["continue", "text.mid"], "text.mid: not a MIDI file"),
        (["continue", "full.mid"], "full.mid: has notes on all channels, and new notes need a channel of their own"),
        (
            ["continue", "silenced.mid", "--seconds", "3"],
            "silenced.mid: cannot be edited: its controllers would change the new notes, on channel 2;"
            " silenced-continued.mid is not written",
        ),
        (["continue", "mine.mid"], "mine-continued.mid: exists already; --force overwrites it"),
        (["improvise", "--out", "nowhere/a.mid"], "nowhere: no such folder; create it, or name another one with --out"),
        (["improvise", "--out", ".", "--force"], ".: is a folder; --out names a file in it"),
        (["improvise", "--out", ".", "--audio"], ".: is a folder; --out names a file in it"),
        (["improvise", "--out", ".", "--takes", "2"], ".: is a folder; --out names a file in it"),
        (["infill", "mine.mid", "--from", "3.001", "--to", "3.004"], "--from 3.001 --to 3.004: too short a gap"),
        (["infill", "mine.mid", "--from", "9", "--to", "3"], "--from 9 --to 3: the gap must end after it begins"),
        (["infill", "mine.mid", "--from", "14", "--to", "99"], "a gap needs notes before and after it"),
        (["infill", "mine.mid", "--from", "0", "--to", "2"], "a gap needs notes before and after it"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(call, tmp_path, arguments, message):
    (tmp_path / "mine.mid").write_bytes(scale())
    (tmp_path / "mine-continued.mid").write_bytes(b"to be kept")
    (tmp_path / "text.mid").write_text("not MIDI", encoding="utf-8")
    notes_on_all_channels = [note_events((0, 90, 60), channel=channel) for channel in range(16)]
    (tmp_path / "full.mid").write_bytes(midi_bytes.file(*notes_on_all_channels))
    all_notes_off = [(2000 + tick, midi_bytes.control(123, 0, tick % 16)) for tick in range(3200)]
    silenced = [*note_events((0, 500, 60), (900, 999, 62)), *all_notes_off]
    (tmp_path / "silenced.mid").write_bytes(midi_bytes.file(silenced))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(SystemExit) as exit_info:
        call(*arguments)
    assert message in exit_info.value.code and "\n" not in exit_info.value.code
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.fixture
def silent_network(monkeypatch):
    """Generate nothing in no time; each test says what happens meanwhile."""
    happenings = []

    def generate(network, request, seed, config, progress):
        for happening in happenings:
            happening()
        return [np.tile(np.array([[10, 40, 10, 16]], np.int32), (4, 1))] * len(request.prompts)

    monkeypatch.setattr(continuation, "generate_continuations", generate)
    return happenings


@pytest.mark.parametrize(
    "size, audio, named", [(200, [], "improvisation.mid"), (20_000, ["--audio"], "improvisation.mp3")]
)
def test_a_full_disk_is_found_before_anything_is_generated(call, tmp_path, silent_network, size, audio, named):
    silent_network.append(lambda: pytest.fail("generated first"))
    with disk_full_after(size), pytest.raises(SystemExit) as exit_info:
        call("improvise", "--seconds", 2, *audio)
    assert exit_info.value.code == f"error: {named}: File too large"
    assert list(tmp_path.iterdir()) == []


def test_a_device_is_not_replaced(call, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SystemExit) as exit_info:
        call("improvise", "--out", "pipe", "--force")
    assert exit_info.value.code == "error: pipe: is a device; --out names a file"


@pytest.mark.parametrize("suffix", [".mid", ".mp3"])
def test_what_another_run_has_written_meanwhile_is_not_replaced(call, tmp_path, silent_network, suffix):
    other = tmp_path / f"improvisation{suffix}"
    silent_network.append(lambda: other.write_text("of another run"))
    with pytest.raises(SystemExit) as exit_info:
        call("improvise", "--audio")
    assert exit_info.value.code.startswith(f"error: {other.name}: exists already; --force overwrites it")
    assert other.read_text() == "of another run"
    call("improvise", "--audio", "--force")
    assert other.stat().st_size > 50 and not list(tmp_path.glob("*.part"))


def test_a_midi_file_in_a_riff_file_is_continued_as_a_midi_file(call, tmp_path, silent_network):
    data = scale()
    (tmp_path / "mine.mid").write_bytes(data)
    (tmp_path / "mine.rmi").write_bytes(b"RIFF" + bytes(4) + b"RMIDdata" + len(data).to_bytes(4, "little") + data)
    assert call("continue", "mine.rmi") == ["mine-continued.mid"]
    content = (tmp_path / "mine-continued.mid").read_bytes()
    call("continue", "mine.mid", "--force")
    assert (tmp_path / "mine-continued.mid").read_bytes() == content


def test_names_may_be_as_long_as_the_file_system_allows(call, tmp_path, silent_network):
    name = "夜" * 83 + "é.mid"
    assert call("improvise", "--out", name) == [name]
    assert list(tmp_path.iterdir()) == [tmp_path / name]
    with pytest.raises(SystemExit) as exit_info:
        call("improvise", "--out", "夜" + name)
    assert exit_info.value.code == f"error: 夜{name}: File name too long"


def test_without_a_model_the_error_says_how_to_get_one(call, tmp_path):
    with pytest.raises(SystemExit) as exit_info:
        call("improvise", model=tmp_path / "none.keras")
    assert "none.keras: no trained model there; `dvc repro train` makes one" in exit_info.value.code


def run_program(folder, *arguments, repository=ROOT, **environment):
    command = [sys.executable, str(repository / "compose.py"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=os.environ | environment)


@pytest.mark.slow
def test_as_a_program(tmp_path):
    usage = run_program(tmp_path, "--help")
    assert usage.returncode == 0
    for command in ("improvise", "continue", "infill"):
        assert command in usage.stdout
    wrong = run_program(tmp_path, "continue", "none.mid")
    assert (wrong.returncode, wrong.stderr) == (1, "error: none.mid: No such file or directory\n")
    out_of_range = run_program(tmp_path, "improvise", "--top-p", "2")
    assert out_of_range.returncode == 2 and "Traceback" not in out_of_range.stderr


@pytest.mark.slow
def test_in_another_folder_the_repositorys_model_plays(model, tmp_path):
    repository, folder = tmp_path / "repository", tmp_path / "music"
    folder.mkdir()
    (repository / "models").mkdir(parents=True)
    for name in ("compose.py", "params.yaml"):
        shutil.copy(ROOT / name, repository)
    (repository / "stages").symlink_to(ROOT / "stages")
    missing = run_program(folder, "improvise", "--seconds", "1", repository=repository)
    expected = f"no trained model there; `dvc pull models/bilstm.keras` in {repository} fetches one\n"
    assert missing.returncode == 1
    assert missing.stderr.endswith(f"error: {repository}/models/bilstm.keras: {expected}")
    shutil.copy(model, repository / "models/bilstm.keras")
    done = run_program(folder, "improvise", "--seconds", "1", repository=repository)
    assert (done.returncode, done.stdout) == (0, "improvisation.mid\n"), done.stderr
    assert done.stderr.split()[0] == "sampling:"  # none of TensorFlow's lines
    assert (folder / "improvisation.mid").exists()


def test_imports_its_own_modules_whatever_the_python_path(tmp_path):
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages/__init__.py").write_text("raise ImportError('another package of this name')", encoding="utf-8")
    usage = run_program(tmp_path, "--help", PYTHONSAFEPATH="1", PYTHONPATH=str(tmp_path))
    assert usage.returncode == 0, usage.stderr


@pytest.mark.parametrize("command", ["improvise", "continue", "infill"])
def test_every_command_has_the_shared_options(call, command):
    usage = " ".join(call(command, "--help"))
    for option in ("takes", "seed", "temperature", "top-p", "min-p", "audio", "out", "force", "model"):
        assert f" --{option} " in usage


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (
            [],
            SamplingConfig(
                GENERATE.temperature,
                GENERATE.top_p,
                GENERATE.min_p,
                GENERATE.drift_bias,
                GENERATE.repeat_bias,
                GENERATE.preference_bias,
            ),
        ),
        (
            ["--temperature", 1.3, "--top-p", 0.5, "--min-p", 0],
            SamplingConfig(
                tuple(1.3 * value for value in GENERATE.temperature),
                (GENERATE.top_p[0], 0.5, 0.5, 0.5),
                (GENERATE.min_p[0], 0, *GENERATE.min_p[2:]),
                GENERATE.drift_bias,
                GENERATE.repeat_bias,
                GENERATE.preference_bias,
            ),
        ),
    ],
    ids=["as in params.yaml", "with options"],
)
def test_sampling_config(call, monkeypatch, arguments, expected):
    def generate_nothing(network, request, seed, config, progress):
        configs.append(config)
        return [np.zeros((0, 4), np.int32)] * len(request.prompts)

    configs = []
    monkeypatch.setattr(continuation, "generate_continuations", generate_nothing)
    with contextlib.suppress(SystemExit):  # there are no notes to write
        call("improvise", *arguments)
    assert configs == [expected]
