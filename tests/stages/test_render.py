"""The stage: a sound file for every sample, and nothing else."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from stages import render
from stages.representation.note_table import write_notes
from stages.utils import params
from tests.helpers.source_analysis import ROOT

PARAMS = params.load_params(ROOT / "params.yaml")


@pytest.fixture(autouse=True)
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(samples: dict[str, float]) -> None:
    """Samples of two notes each, given as {name: s between the notes}."""
    rows = [(number, 0.5 + i * gap) for number, gap in enumerate(samples.values()) for i in range(2)]
    table = pd.DataFrame(rows, columns=["piece", "start"]).astype({"piece": "int32"})
    table["step"] = table.groupby("piece")["start"].diff().fillna(0).astype("float32")
    table = table.assign(duration=np.float32(0.4), sustained=np.float32(0.4), pitch=np.uint8(60), velocity=np.uint8(80))
    write_notes(render.SAMPLES / "notes.parquet", table.assign(generated=True))
    (render.SAMPLES / "samples.json").write_text(json.dumps([{"name": name} for name in samples]))


def test_a_file_for_every_sample_with_its_own_notes():
    gaps = {"improvisation-1": 0.5, "filling-1": 2.0, "original-1": 3.5}
    write(gaps)
    render.main(PARAMS)
    files = {path.name: soundfile.info(path) for path in render.AUDIO.iterdir()}
    assert set(files) == {f"{name}.mp3" for name in gaps}
    for name, gap in gaps.items():
        sound = files[f"{name}.mp3"]
        assert (sound.format, sound.channels, sound.samplerate) == ("MP3", 2, PARAMS.render.sample_rate)
        # From 0 to half a second, both notes, and the last one's fading.
        assert sound.duration == pytest.approx(0.5 + gap + 0.4 + 0.84, abs=0.02)


def test_settings_are_heard():
    write({"improvisation-1": 0.5})
    softer = PARAMS.render.model_copy(update={"sample_rate": 22050, "loudness": -31.0})
    render.main(PARAMS.model_copy(update={"render": softer}))
    sound, rate = soundfile.read(render.AUDIO / "improvisation-1.mp3")
    assert rate == 22050
    assert 10 * np.log10((sound**2).mean()) == pytest.approx(-31, abs=0.2)


def test_no_samples():
    write({})
    render.main(PARAMS)
    assert render.AUDIO.is_dir()
    assert not list(render.AUDIO.iterdir())
