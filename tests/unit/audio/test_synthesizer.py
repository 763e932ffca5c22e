"""Sound against what the notes say, measured: onsets, pitches, loudness, and the bytes of the files."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from stages.audio import synthesizer

RATE = 22050


def notes(rows: list[tuple[float, float, int, int]]) -> pd.DataFrame:
    """A table from (start, sustained, pitch, velocity)."""
    frame = pd.DataFrame(rows, columns=["start", "sustained", "pitch", "velocity"])
    return frame.astype({"start": "float64", "sustained": "float32", "pitch": "uint8", "velocity": "uint8"})


def phrase(count: int, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    start = 0.5 + np.cumsum(random.exponential(0.1, count))
    columns = (start, random.uniform(0.1, 1.5, count), random.integers(36, 96, count), random.integers(20, 110, count))
    return notes(list(zip(*(column.tolist() for column in columns), strict=True)))


def played(table: pd.DataFrame, rate: int = RATE) -> np.ndarray:
    return np.concatenate(list(synthesizer.Synthesizer(table, rate).blocks()))


def level(sound: np.ndarray) -> float:
    return float(10 * np.log10((sound.astype(float) ** 2).mean()))


@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_sound_begins_with_its_note(rate: int):
    for pitch in (30, 60, 90):
        sound = played(notes([(1.2345, 0.5, pitch, 80)]), rate)
        begin = round(1.2345 * rate)
        assert not sound[:begin].any()
        # Hammers take their time to be heard: a tenth of the first moments' peak within 10 ms.
        first = np.abs(sound[begin : begin + rate // 20]).max(axis=1)
        assert np.argmax(first > first.max() / 10) < 0.01 * rate


def test_every_onset_is_heard_where_it_stands():
    starts = [0.5, 0.9, 1.4, 1.8, 2.45]
    sound = played(notes([(start, 0.25, 60 + 2 * i, 80) for i, start in enumerate(starts)]), RATE)[:, 0]
    hop = RATE // 100
    energy = (sound[: len(sound) // hop * hop].reshape(-1, hop) ** 2).sum(axis=1)
    rises = energy[1:] / (energy[:-1] + 1e-6 * energy.max())
    rises[:-1][rises[1:] >= rises[:-1]] = 0  # the last of a rise that takes several hops
    heard = np.flatnonzero(rises > 4) + 1
    for start in starts:
        assert np.abs(heard * hop / RATE - start).min() <= 0.02


@pytest.mark.parametrize("pitch", [45, 57, 69, 81, 93])
def test_pitch(pitch: int):
    sound = played(notes([(0.0, 2.0, pitch, 80)]), 44100)[4410:].sum(axis=1)
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 2**20))
    frequency = np.fft.rfftfreq(2**20, 1 / 44100)
    expected = 440 * 2 ** ((pitch - 69) / 12)
    near = np.abs(12 * np.log2(np.maximum(frequency, 1) / expected)) < 0.8
    measured = frequency[near][spectrum[near].argmax()]
    assert abs(1200 * np.log2(measured / expected)) < 10  # cents; the font's own strings are off by up to 6
    assert spectrum[near].max() > 0.2 * spectrum.max()


def test_loudness_goes_with_the_square_of_velocity():
    soft, loud = (played(notes([(0.0, 1.0, 60, velocity)])) for velocity in (30, 60))
    assert loud == pytest.approx(4 * soft, rel=1e-4)


def test_low_keys_from_the_left():
    def right_of_left(pitch: int) -> float:
        sound = played(notes([(0.0, 1.0, pitch, 80)]))
        return level(sound[:, 1]) - level(sound[:, 0])

    heard = [right_of_left(pitch) for pitch in (21, 43, 64, 65, 86, 108)]
    assert heard == sorted(heard)
    assert heard[0] < -5
    assert abs(heard[2]) < 0.5
    assert heard[-1] > 5


def test_a_note_sounds_as_long_as_it_is_sustained():
    short, long = (played(notes([(0.0, seconds, 60, 80)])) for seconds in (0.5, 2.0))
    held, released = slice(0, RATE // 2), slice(RATE, 3 * RATE // 2)
    assert short[held] == pytest.approx(long[held])
    assert level(short[released]) < level(long[released]) - 30
    assert len(long) - len(short) == pytest.approx(1.5 * RATE, abs=2)
    # The last of the sound is fainter than can be heard, and nothing follows.
    assert level(short[-100:]) < level(short[held]) - 70


def test_notes_add_up():
    one, other = phrase(20, 1), phrase(20, 2)
    both = played(pd.concat([one, other]))
    parts = [np.zeros_like(both) for _ in range(2)]
    for part, table in zip(parts, (one, other), strict=True):
        sound = played(table)
        part[: len(sound)] = sound
    assert both == pytest.approx(parts[0] + parts[1], abs=1e-5)


def test_blocks_only_bound_the_memory(monkeypatch: pytest.MonkeyPatch):
    table = notes([(0.0, 0.5, 60, 80), (0.9, 4.0, 40, 80), (5.0, 0.3, 70, 80), (5.0, 8.0, 50, 70), (5.5, 0.1, 80, 50)])
    whole = played(table)
    monkeypatch.setattr(synthesizer, "_BLOCK", 1)
    blocks = list(synthesizer.Synthesizer(table, RATE).blocks())
    assert [len(block) for block in blocks[:-1]] == [RATE] * 5
    assert np.array_equal(np.concatenate(blocks), whole)


@pytest.mark.parametrize("rate", [22050, 44100, 48000])
@pytest.mark.parametrize("loudness", [-40.0, -20.0, -10.0])
def test_loudness_of_the_file(tmp_path: Path, rate: int, loudness: float):
    table = phrase(60)
    synthesizer.write_mp3(table, tmp_path / "phrase.mp3", rate, loudness)
    sound, found = soundfile.read(tmp_path / "phrase.mp3")
    assert found == rate
    assert sound.shape[1] == 2
    assert level(sound) == pytest.approx(loudness, abs=0.2)
    assert np.abs(sound).max() < 1
    assert len(sound) == pytest.approx(len(played(table, rate)), abs=1)  # to the frame, so a playhead stays right
    seconds = len(sound) / rate
    assert (tmp_path / "phrase.mp3").stat().st_size * 8 / seconds == pytest.approx(1000 * synthesizer.BITRATE, rel=0.02)
    assert [path.name for path in tmp_path.iterdir()] == ["phrase.mp3"]


def test_the_file_is_the_sound(tmp_path: Path):
    table = phrase(40)
    synthesizer.write_mp3(table, tmp_path / "phrase.mp3", 44100, -26.0)
    sound, expected = soundfile.read(tmp_path / "phrase.mp3")[0], played(table, 44100)
    expected = expected * np.sqrt((sound**2).mean() / (expected.astype(float) ** 2).mean())
    assert level(sound - expected) < level(sound) - 20


@pytest.mark.parametrize("loudness", [-20.0, -10.0])
def test_crashes_in_silence_do_not_clip(tmp_path: Path, loudness: float):
    table = notes([(3.0 * i, 0.05, pitch, 127) for i in range(4) for pitch in range(60, 90)])
    synthesizer.write_mp3(table, tmp_path / "crash.mp3", RATE, loudness)
    sound, _ = soundfile.read(tmp_path / "crash.mp3")
    assert np.abs(sound).max() < 1
    assert loudness - 12 < level(sound) < loudness + 0.2


def test_a_bent_peak():
    sound = np.linspace(-3, 3, 6001)
    bent = synthesizer._bent(sound)
    linear = np.abs(sound) <= synthesizer.KNEE
    assert np.array_equal(bent[linear], sound[linear])
    assert (np.diff(bent) > 0).all()
    assert np.abs(bent).max() < synthesizer.CEILING
    assert np.diff(bent, 2) == pytest.approx(0, abs=1e-5)  # no corner


def test_the_same_bytes_in_another_process_and_in_another_order(tmp_path: Path):
    table = phrase(50)
    synthesizer.write_mp3(table, tmp_path / "here.mp3", 44100, -20.0)
    table.sample(frac=1, random_state=0).to_pickle(tmp_path / "notes.pickle")
    code = (
        "import sys, pathlib, pandas; from stages.audio import synthesizer as audio; "
        "folder = pathlib.Path(sys.argv[1]);"
        "audio.write_mp3(pandas.read_pickle(folder / 'notes.pickle'), folder / 'there.mp3', 44100, -20.0)"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True)
    assert (tmp_path / "here.mp3").read_bytes() == (tmp_path / "there.mp3").read_bytes()


def test_a_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "phrase.mp3"
    synthesizer.write_mp3(phrase(3), path, RATE, -20.0)
    before = path.read_bytes()
    monkeypatch.setattr(soundfile.SoundFile, "write", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        synthesizer.write_mp3(phrase(5), path, RATE, -20.0)
    assert path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["phrase.mp3"]


def test_no_notes(tmp_path: Path):
    synthesizer.write_mp3(notes([]), tmp_path / "nothing.mp3", RATE, -20.0)
    sound, _ = soundfile.read(tmp_path / "nothing.mp3")
    assert len(sound) == RATE
    assert not sound.any()
