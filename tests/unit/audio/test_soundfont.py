"""The sound font reader on a font made here, whose sound is known, and the piano that comes with the packages."""

import struct
from pathlib import Path

import numpy as np
import pytest

from stages.audio.soundfont import Piano
from stages.utils.errors import InputError

RATE = 44100


def chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def font(folder: Path, zones: list[dict[int, int]], wave: np.ndarray, loop: tuple[int, int], pitch: int = 69) -> Path:
    """A sound font of one preset and one instrument; a zone is {generator: amount}."""
    generators = [struct.pack("<Hh", kind, amount) for zone in zones for kind, amount in zone.items()]
    bags = np.cumsum([0, *(len(zone) for zone in zones)])
    sample = struct.pack("<20s5IBbHH", b"sine", 0, len(wave), *loop, RATE, pitch, 0, 0, 1)
    head = struct.pack("<20s3H3I", b"Piano", 0, 0, 0, 0, 0, 0)
    tables = [
        (b"phdr", head + struct.pack("<20s3H3I", b"EOP", 0, 0, 1, 0, 0, 0)),
        (b"pbag", struct.pack("<4H", 0, 0, 1, 0)),
        (b"pgen", struct.pack("<HhHh", 41, 0, 0, 0)),
        (b"inst", struct.pack("<20sH20sH", b"Piano", 0, b"EOI", len(zones))),
        (b"ibag", b"".join(struct.pack("<HH", bag, 0) for bag in bags)),
        (b"igen", b"".join(generators)),
        (b"shdr", sample + struct.pack("<20s5IBbHH", b"EOS", *[0] * 9)),
    ]
    info = b"LIST" + struct.pack("<I", 14) + b"INFO" + chunk(b"INAM", b"t\0")
    data = chunk(b"LIST", b"sdta" + chunk(b"smpl", wave.astype("<i2").tobytes()))
    lists = info + data + chunk(b"LIST", b"pdta" + b"".join(chunk(name, content) for name, content in tables))
    path = folder / "font.sf2"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(lists) + 4) + b"sfbk" + lists)
    return path


def sine(cycles: int, period: int = 100) -> np.ndarray:
    return np.rint(16384 * np.sin(2 * np.pi * np.arange(cycles * period + 1) / period))


def frequency(sound: np.ndarray, rate: int = RATE) -> float:
    """The loudest frequency, in Hz."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 2**20))
    return float(spectrum.argmax() * rate / 2**20)


def level(sound: np.ndarray) -> float:
    return float(10 * np.log10((sound.astype(float) ** 2).mean()))


HELD = {37: 0, 54: 1, 53: 0}  # no fading, looped


@pytest.mark.parametrize(("pitch", "ratio"), [(69, 1), (81, 2), (57, 0.5), (70, 2 ** (1 / 12))])
@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_pitch_and_loop(tmp_path: Path, pitch: int, ratio: float, rate: int):
    piano = Piano(font(tmp_path, [HELD], sine(20), (500, 1500)))
    tone = piano.tone(pitch, 1.0, rate)
    assert tone.dtype == np.float32
    assert len(tone) == rate
    assert frequency(tone[rate // 4 :], rate) == pytest.approx(441 * ratio, rel=3e-4)  # long after the sample's end
    assert level(tone[rate // 2 :]) == pytest.approx(level(tone[2048 : rate // 4]), abs=0.1)


def test_a_sample_without_loop_ends(tmp_path: Path):
    tone = Piano(font(tmp_path, [{37: 0, 53: 0}], sine(20), (500, 1500))).tone(69, 1.0, RATE)
    assert level(tone[200:1800]) == pytest.approx(level(sine(20) / 32768), abs=0.1)
    assert np.abs(tone[4000:]).max() < 1e-4


def test_tuning(tmp_path: Path):
    zone = {58: 60, 51: 1, 52: 50} | HELD  # the sample is a C4, tuned up by 1.5 semitones
    tone = Piano(font(tmp_path, [zone], sine(20), (500, 1500))).tone(60, 1.0, RATE)
    assert frequency(tone) == pytest.approx(441 * 2 ** (1.5 / 12), rel=3e-4)


def test_each_key_plays_its_zone_and_keys_beyond_the_nearest(tmp_path: Path):
    low, high = {43: 0 | 59 << 8, 58: 57}, {43: 60 | 80 << 8, 58: 69}
    common = {51: 12}  # holds for both: an octave up
    piano = Piano(font(tmp_path, [common, low | HELD, high | HELD], sine(20), (500, 1500)))
    for pitch, root in [(57, 45), (59, 45), (60, 57), (80, 57), (90, 57)]:
        assert frequency(piano.tone(pitch, 0.5, RATE)) == pytest.approx(441 * 2 ** ((pitch - root) / 12), rel=3e-4)


def test_volume_is_held_then_falls_straight_in_decibels(tmp_path: Path):
    zone = {35: 0, 36: 1200, 48: 60} | HELD | {37: 1000}  # held 1 s, then 100 dB in 2 s; 6 dB down throughout
    piano = Piano(font(tmp_path, [zone], sine(20), (500, 1500)))
    tone = piano.tone(69, 10.0, RATE)
    assert len(tone) / RATE == pytest.approx(1 + 1.6, abs=0.01)  # until it has fallen by 80 dB
    loud = level(sine(20) / 32768) - 6
    at = [level(tone[round(s * RATE) - 1000 : round(s * RATE) + 1000]) for s in (0.5, 1.5, 2.0, 2.5)]
    assert at == pytest.approx([loud, loud - 25, loud - 50, loud - 75], abs=0.3)


def test_volume_stops_falling_at_the_sustain_level(tmp_path: Path):
    zone = {36: 0} | HELD | {37: 200}  # 100 dB in 1 s, but no more than 20 dB
    tone = Piano(font(tmp_path, [zone], sine(20), (500, 1500))).tone(69, 3.0, RATE)
    assert len(tone) == 3 * RATE
    assert level(tone[RATE:]) == pytest.approx(level(sine(20) / 32768) - 20, abs=0.1)


def test_release(tmp_path: Path):
    piano = Piano(font(tmp_path, [{38: 0} | HELD], sine(20), (500, 1500)))  # 100 dB in 1 s
    fade = piano.release(69, RATE)
    assert len(fade) == pytest.approx(0.8 * RATE, abs=1)
    assert 20 * np.log10(fade[[0, RATE // 4, RATE // 2]]) == pytest.approx([0, -25, -50], abs=0.01)


@pytest.mark.parametrize("octaves", [-2, -1, 0, 1, 2])
def test_low_pass(tmp_path: Path, octaves: int):
    cents = 1200 * np.log2(441 / 8.176) + 1200 * octaves
    tone = Piano(font(tmp_path, [{8: round(cents)} | HELD], sine(20), (500, 1500))).tone(69, 1.0, RATE)
    expected = -10 * np.log10(1 + 2.0 ** (-4 * octaves))
    assert level(tone[4000:-4000]) - level(sine(20) / 32768) == pytest.approx(expected, abs=0.1)


def test_the_filter_closes_while_a_key_is_held(tmp_path: Path):
    start, fall = round(1200 * np.log2(441 / 8.176)), 3600
    zone = {8: start - fall, 11: fall, 27: -12000, 28: 1200, 29: 1000} | HELD  # three octaves down in 2 s
    tone = Piano(font(tmp_path, [zone], sine(20), (500, 1500))).tone(69, 3.0, RATE)
    for second, octaves in [(0.1, -0.15), (1.0, -1.5), (2.5, -3)]:
        place = round(second * RATE)
        expected = -10 * np.log10(1 + 2.0 ** (-4 * octaves)) + level(sine(20) / 32768)
        assert level(tone[place - 1000 : place + 1000]) == pytest.approx(expected, abs=0.5)


@pytest.mark.parametrize("damage", [b"", b"RIFF", b"RIFF\0\0\0\0sfbk", None])
def test_a_file_that_is_no_sound_font(tmp_path: Path, damage: bytes | None):
    path = font(tmp_path, [HELD], sine(20), (500, 1500))
    path.write_bytes(path.read_bytes()[:-200] if damage is None else damage)
    with pytest.raises(InputError, match=r"font\.sf2: not a sound font"):
        Piano(path)


def test_the_piano_that_comes_with_pretty_midi():
    piano = Piano()
    for pitch in range(21, 109):
        tone = piano.tone(pitch, 3.0, RATE)
        loud = [level(tone[round(s * RATE) :][:4410]) for s in (0.0, 1.0, 2.0)]
        assert -45 < loud[0] < -15, pitch
        assert loud[0] > loud[1] > loud[2], pitch
        # It may start off the beat by no more than 10 ms.
        assert np.abs(tone[:441]).max() > 10 ** (loud[0] / 20) / 10, pitch
