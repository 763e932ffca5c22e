"""Sound is compared with its notes: onsets, pitches, loudness; and the files that are written."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from stages.audio import synthesizer

RATE = 22050


def make_notes(rows: list[tuple[float, float, int, int]]) -> pd.DataFrame:
    """Return a note table of rows (start, sounding_duration, pitch, velocity)."""
    table = pd.DataFrame(rows, columns=["start", "sounding_duration", "pitch", "velocity"])
    return table.astype({"start": "float64", "sounding_duration": "float32", "pitch": "uint8", "velocity": "uint8"})


def random_notes(count: int, seed: int = 0) -> pd.DataFrame:
    """Return a note table of random notes."""
    random = np.random.default_rng(seed)
    start = 0.5 + np.cumsum(random.exponential(0.1, count))
    columns = (start, random.uniform(0.1, 1.5, count), random.integers(36, 96, count), random.integers(20, 110, count))
    return make_notes(list(zip(*(column.tolist() for column in columns), strict=True)))


def synthesize(table: pd.DataFrame, rate: int = RATE) -> np.ndarray:
    """Return the whole sound of notes."""
    return np.concatenate(list(synthesizer.Synthesizer(table, rate).blocks()))


def rms_db(sound: np.ndarray) -> float:
    """Return the RMS level in dBFS."""
    return float(10 * np.log10((sound.astype(float) ** 2).mean()))


@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_sound_begins_at_its_onset(rate: int):
    for pitch in (30, 60, 90):
        sound = synthesize(make_notes([(1.2345, 0.5, pitch, 80)]), rate)
        begin = round(1.2345 * rate)
        assert not sound[:begin].any()
        # The attack takes some time: within 10 ms it reaches a tenth of the peak of the first 50 ms.
        attack = np.abs(sound[begin : begin + rate // 20]).max(axis=1)
        assert np.argmax(attack > attack.max() / 10) < 0.01 * rate


def test_onsets_are_detected_at_their_times():
    starts = [0.5, 0.9, 1.4, 1.8, 2.45]
    sound = synthesize(make_notes([(start, 0.25, 60 + 2 * i, 80) for i, start in enumerate(starts)]), RATE)[:, 0]
    hop = RATE // 100
    energy = (sound[: len(sound) // hop * hop].reshape(-1, hop) ** 2).sum(axis=1)
    rises = energy[1:] / (energy[:-1] + 1e-6 * energy.max())
    rises[:-1][rises[1:] >= rises[:-1]] = 0  # keep the last of several consecutive rises
    detected = np.flatnonzero(rises > 4) + 1
    for start in starts:
        assert np.abs(detected * hop / RATE - start).min() <= 0.02


@pytest.mark.parametrize("pitch", [45, 57, 69, 81, 93])
def test_pitch(pitch: int):
    sound = synthesize(make_notes([(0.0, 2.0, pitch, 80)]), 44100)[4410:].sum(axis=1)
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 2**20))
    frequency = np.fft.rfftfreq(2**20, 1 / 44100)
    expected = 440 * 2 ** ((pitch - 69) / 12)
    near = np.abs(12 * np.log2(np.maximum(frequency, 1) / expected)) < 0.8
    measured = frequency[near][spectrum[near].argmax()]
    assert abs(1200 * np.log2(measured / expected)) < 10  # cents; the font itself is off by up to 6
    assert spectrum[near].max() > 0.2 * spectrum.max()


def test_amplitude_grows_with_the_square_of_velocity():
    soft, loud = (synthesize(make_notes([(0.0, 1.0, 60, velocity)])) for velocity in (30, 60))
    assert loud == pytest.approx(4 * soft, rel=1e-4)


def test_low_keys_sound_from_the_left():
    def balance_db(pitch: int) -> float:
        sound = synthesize(make_notes([(0.0, 1.0, pitch, 80)]))
        return rms_db(sound[:, 1]) - rms_db(sound[:, 0])

    balances = [balance_db(pitch) for pitch in (21, 43, 64, 65, 86, 108)]
    assert balances == sorted(balances)
    assert balances[0] < -5
    assert abs(balances[2]) < 0.5
    assert balances[-1] > 5


def test_note_sounds_for_its_sounding_duration():
    short, long = (synthesize(make_notes([(0.0, seconds, 60, 80)])) for seconds in (0.5, 2.0))
    held, released = slice(0, RATE // 2), slice(RATE, 3 * RATE // 2)
    assert short[held] == pytest.approx(long[held])
    assert rms_db(short[released]) < rms_db(long[released]) - 30
    assert len(long) - len(short) == pytest.approx(1.5 * RATE, abs=2)
    # The sound ends once it is inaudible.
    assert rms_db(short[-100:]) < rms_db(short[held]) - 70


def test_notes_add_up():
    first, second = random_notes(20, 1), random_notes(20, 2)
    both = synthesize(pd.concat([first, second]))
    parts = [np.zeros_like(both) for _ in range(2)]
    for part, table in zip(parts, (first, second), strict=True):
        sound = synthesize(table)
        part[: len(sound)] = sound
    assert both == pytest.approx(parts[0] + parts[1], abs=1e-5)


def test_sound_does_not_depend_on_the_block_size(monkeypatch: pytest.MonkeyPatch):
    table = make_notes(
        [(0.0, 0.5, 60, 80), (0.9, 4.0, 40, 80), (5.0, 0.3, 70, 80), (5.0, 8.0, 50, 70), (5.5, 0.1, 80, 50)]
    )
    whole = synthesize(table)
    monkeypatch.setattr(synthesizer, "BLOCK_SECONDS", 1)
    blocks = list(synthesizer.Synthesizer(table, RATE).blocks())
    assert [len(block) for block in blocks[:-1]] == [RATE] * 5
    assert np.array_equal(np.concatenate(blocks), whole)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [22050, 44100, 48000])
@pytest.mark.parametrize("loudness", [-40.0, -20.0, -10.0])
def test_loudness_of_the_file(tmp_path: Path, rate: int, loudness: float):
    table = random_notes(60)
    synthesizer.write_mp3(table, tmp_path / "music.mp3", rate, loudness)
    sound, found_rate = soundfile.read(tmp_path / "music.mp3")
    assert found_rate == rate
    assert sound.shape[1] == 2
    assert rms_db(sound) == pytest.approx(loudness, abs=0.2)
    assert np.abs(sound).max() < 1
    # A playhead is right only if the length is.
    assert len(sound) == pytest.approx(len(synthesize(table, rate)), abs=1)
    seconds = len(sound) / rate
    assert (tmp_path / "music.mp3").stat().st_size * 8 / seconds == pytest.approx(1000 * synthesizer.BITRATE, rel=0.02)
    assert [path.name for path in tmp_path.iterdir()] == ["music.mp3"]


def test_file_contains_the_sound(tmp_path: Path):
    table = random_notes(40)
    synthesizer.write_mp3(table, tmp_path / "music.mp3", 44100, -26.0)
    sound, expected = soundfile.read(tmp_path / "music.mp3")[0], synthesize(table, 44100)
    expected = expected * np.sqrt((sound**2).mean() / (expected.astype(float) ** 2).mean())
    assert rms_db(sound - expected) < rms_db(sound) - 20


@pytest.mark.parametrize("loudness", [-20.0, -10.0])
def test_loud_chords_in_silence_do_not_clip(tmp_path: Path, loudness: float):
    table = make_notes([(3.0 * i, 0.05, pitch, 127) for i in range(4) for pitch in range(60, 90)])
    synthesizer.write_mp3(table, tmp_path / "chords.mp3", RATE, loudness)
    sound, _ = soundfile.read(tmp_path / "chords.mp3")
    assert np.abs(sound).max() < 1
    assert loudness - 12 < rms_db(sound) < loudness + 0.2


def test_soft_clip():
    sound = np.linspace(-3, 3, 6001)
    clipped = synthesizer.soft_clip(sound)
    linear = np.abs(sound) <= synthesizer.CLIP_KNEE
    assert np.array_equal(clipped[linear], sound[linear])
    assert (np.diff(clipped) > 0).all()
    assert np.abs(clipped).max() < synthesizer.CLIP_CEILING
    assert np.diff(clipped, 2) == pytest.approx(0, abs=1e-5)  # no corner


@pytest.mark.parametrize("loudness", [-30.0, -15.0])
def test_find_gain_reaches_the_loudness_after_soft_clipping(loudness: float):
    sound = synthesize(random_notes(40))
    gain = synthesizer.find_gain(iter(np.array_split(sound, 3)), loudness)
    assert gain.dtype == np.float32
    assert rms_db(synthesizer.soft_clip(sound * gain)) == pytest.approx(loudness, abs=0.01)


def test_find_gain_is_limited_by_the_peak_and_zero_for_silence():
    click = np.zeros((RATE, 2), np.float32)
    assert synthesizer.find_gain(iter([click]), -20.0) == 0
    click[100] = 0.5
    assert synthesizer.find_gain(iter([click]), -20.0) == pytest.approx(synthesizer.MAX_PEAK / 0.5)


def test_bytes_are_the_same_in_another_process_and_for_another_order(tmp_path: Path):
    table = random_notes(50)
    synthesizer.write_mp3(table, tmp_path / "here.mp3", 44100, -20.0)
    table.sample(frac=1, random_state=0).to_pickle(tmp_path / "notes.pickle")
    code = (
        "import sys, pathlib, pandas; from stages.audio.synthesizer import write_mp3; "
        "folder = pathlib.Path(sys.argv[1]);"
        "write_mp3(pandas.read_pickle(folder / 'notes.pickle'), folder / 'there.mp3', 44100, -20.0)"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True)
    assert (tmp_path / "here.mp3").read_bytes() == (tmp_path / "there.mp3").read_bytes()


def test_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "music.mp3"
    synthesizer.write_mp3(random_notes(3), path, RATE, -20.0)
    before = path.read_bytes()
    monkeypatch.setattr(soundfile.SoundFile, "write", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        synthesizer.write_mp3(random_notes(5), path, RATE, -20.0)
    assert path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["music.mp3"]


def test_no_notes_give_silence(tmp_path: Path):
    synthesizer.write_mp3(make_notes([]), tmp_path / "nothing.mp3", RATE, -20.0)
    sound, _ = soundfile.read(tmp_path / "nothing.mp3")
    assert len(sound) == RATE
    assert not sound.any()
