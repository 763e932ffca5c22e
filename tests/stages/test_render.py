"""The stage `render`: a sound file for every sample, and no others."""

import os
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from stages import render
from stages.params.render import RenderParams
from stages.samples.sample_set import Sample
from stages.samples.sample_writer import write_samples
from stages.utils import paths
from stages.utils.errors import InputError

PARAMS = RenderParams(sample_rate=44100, loudness_dbfs=-20.0)


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    paths.REPORTS.mkdir()


def write_two_note_samples(gaps: dict[str, float], metrics_only: int = 0) -> None:
    """Write samples of two notes each.

    Args:
        gaps: seconds between the onsets, by the name of the sample.
        metrics_only: number of further pieces of which no file is made.
    """
    samples = [
        (Sample(name, name.split("-")[0], "", "", 0.9 + gap, 2, ()), two_notes(gap)) for name, gap in gaps.items()
    ]
    write_samples(paths.SAMPLES, samples, [two_notes(1.0)] * metrics_only)


def two_notes(gap: float) -> pd.DataFrame:
    """Return a note table of two notes, with the second onset `gap` seconds after the first."""
    start = np.array([0.5, 0.5 + gap])
    return pd.DataFrame(
        {
            "start": start,
            "step": np.array([0, gap], np.float32),
            "key_duration": np.float32(0.4),
            "sounding_duration": np.float32(0.4),
            "pitch": np.uint8(60),
            "velocity": np.uint8(80),
            "generated": True,
        }
    )


def test_every_sample_has_a_file_of_its_notes():
    gaps = {"improvisation-1": 0.5, "infill-1": 2.0, "original-1": 3.5}
    write_two_note_samples(gaps, metrics_only=2)
    render.main(PARAMS)
    files = {path.name: soundfile.info(path) for path in paths.AUDIO.iterdir()}
    assert set(files) == {f"{name}.mp3" for name in gaps}
    for name, gap in gaps.items():
        sound = files[f"{name}.mp3"]
        assert (sound.format, sound.channels, sound.samplerate) == ("MP3", 2, PARAMS.sample_rate)
        # Half a second of silence, both notes, and the release of the last one.
        assert sound.duration == pytest.approx(0.5 + gap + 0.4 + 0.84, abs=0.02)


def test_params_are_applied():
    write_two_note_samples({"improvisation-1": 0.5})
    render.main(RenderParams(sample_rate=22050, loudness_dbfs=-31.0))
    sound, rate = soundfile.read(paths.AUDIO / "improvisation-1.mp3")
    assert rate == 22050
    assert 10 * np.log10((sound**2).mean()) == pytest.approx(-31, abs=0.2)


def test_no_samples_give_an_empty_folder():
    write_two_note_samples({})
    render.main(PARAMS)
    assert paths.AUDIO.is_dir()
    assert not list(paths.AUDIO.iterdir())


def test_killed_worker_is_a_line_that_says_what_to_do(monkeypatch):
    def write_mp3(*_):  # nested, so that workers get this function and not its name
        os.kill(os.getpid(), signal.SIGKILL)

    write_two_note_samples({"improvisation-1": 0.5})
    monkeypatch.setattr(render, "write_mp3", write_mp3)
    with pytest.raises(InputError, match="a worker process was killed"):
        render.main(PARAMS)
    assert not paths.AUDIO.exists()
