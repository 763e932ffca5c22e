"""The sound font reader on a font made here, whose sound is known, and on the piano that comes with pretty_midi."""

import struct
from pathlib import Path

import numpy as np
import pytest

from stages.audio.soundfont import Piano
from stages.utils.errors import InputError

RATE = 44100
FREQUENCY = 441  # Hz
SINE = np.rint(16384 * np.sin(2 * np.pi * np.arange(20 * 100 + 1) / 100))  # 20 periods of 100 samples
LOOP = 500, 1500


def chunk(name: bytes, data: bytes) -> bytes:
    """Return a RIFF chunk."""
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def write_font(folder: Path, zones: list[dict[int, int]]) -> Path:
    """Write a sound font of one preset and one instrument, whose only sample is `SINE` with pitch 69.

    Args:
        folder: where to write it.
        zones: each as {generator: amount}.
    """
    generators = [struct.pack("<Hh", kind, amount) for zone in zones for kind, amount in zone.items()]
    bags = np.cumsum([0, *(len(zone) for zone in zones)])
    sample = struct.pack("<20s5IBbHH", b"sine", 0, len(SINE), *LOOP, RATE, 69, 0, 0, 1)
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
    data = chunk(b"LIST", b"sdta" + chunk(b"smpl", SINE.astype("<i2").tobytes()))
    lists = info + data + chunk(b"LIST", b"pdta" + b"".join(chunk(name, content) for name, content in tables))
    path = folder / "font.sf2"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(lists) + 4) + b"sfbk" + lists)
    return path


def loudest_frequency(sound: np.ndarray, rate: int = RATE) -> float:
    """Return the frequency in Hz with the highest amplitude."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 2**20))
    return float(spectrum.argmax() * rate / 2**20)


def rms_db(sound: np.ndarray) -> float:
    """Return the RMS level in dBFS."""
    return float(10 * np.log10((sound.astype(float) ** 2).mean()))


SUSTAINED = {37: 0, 54: 1, 53: 0}  # generators: no decay; looped; sample 0


@pytest.mark.parametrize(("pitch", "ratio"), [(69, 1), (81, 2), (57, 0.5), (70, 2 ** (1 / 12))])
@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_pitch_and_loop(tmp_path: Path, pitch: int, ratio: float, rate: int):
    piano = Piano(write_font(tmp_path, [SUSTAINED]))
    tone = piano.tone(pitch, 1.0, rate)
    assert tone.dtype == np.float32
    assert len(tone) == rate
    looped = tone[rate // 4 :]  # long after the end of the sample
    assert loudest_frequency(looped, rate) == pytest.approx(FREQUENCY * ratio, rel=3e-4)
    assert rms_db(tone[rate // 2 :]) == pytest.approx(rms_db(tone[2048 : rate // 4]), abs=0.1)


def test_sample_without_loop_ends(tmp_path: Path):
    tone = Piano(write_font(tmp_path, [{37: 0, 53: 0}])).tone(69, 1.0, RATE)
    assert rms_db(tone[200:1800]) == pytest.approx(rms_db(SINE / 32768), abs=0.1)
    assert np.abs(tone[4000:]).max() < 1e-4


def test_tuning(tmp_path: Path):
    zone = {58: 60, 51: 1, 52: 50} | SUSTAINED  # the sample is a C4, tuned up by 1.5 semitones
    tone = Piano(write_font(tmp_path, [zone])).tone(60, 1.0, RATE)
    assert loudest_frequency(tone) == pytest.approx(FREQUENCY * 2 ** (1.5 / 12), rel=3e-4)


def test_key_plays_its_zone_or_the_nearest(tmp_path: Path):
    low, high = {43: 0 | 59 << 8, 58: 57}, {43: 60 | 80 << 8, 58: 69}
    common = {51: 12}  # applies to both: an octave up
    piano = Piano(write_font(tmp_path, [common, low | SUSTAINED, high | SUSTAINED]))
    for pitch, root in [(57, 45), (59, 45), (60, 57), (80, 57), (90, 57)]:
        assert loudest_frequency(piano.tone(pitch, 0.5, RATE)) == pytest.approx(
            FREQUENCY * 2 ** ((pitch - root) / 12), rel=3e-4
        )


def test_volume_is_held_then_decays_linearly_in_decibels(tmp_path: Path):
    zone = {35: 0, 36: 1200, 48: 60} | SUSTAINED | {37: 1000}  # hold 1 s, decay by 100 dB in 2 s; attenuation 6 dB
    piano = Piano(write_font(tmp_path, [zone]))
    tone = piano.tone(69, 10.0, RATE)
    assert len(tone) / RATE == pytest.approx(1 + 1.6, abs=0.01)  # until it has decayed by 80 dB
    initial = rms_db(SINE / 32768) - 6
    levels = [rms_db(tone[round(s * RATE) - 1000 : round(s * RATE) + 1000]) for s in (0.5, 1.5, 2.0, 2.5)]
    assert levels == pytest.approx([initial, initial - 25, initial - 50, initial - 75], abs=0.3)


def test_volume_stays_at_the_sustain_level(tmp_path: Path):
    zone = {36: 0} | SUSTAINED | {37: 200}  # decay by 100 dB in 1 s, to a sustain level of -20 dB
    tone = Piano(write_font(tmp_path, [zone])).tone(69, 3.0, RATE)
    assert len(tone) == 3 * RATE
    assert rms_db(tone[RATE:]) == pytest.approx(rms_db(SINE / 32768) - 20, abs=0.1)


def test_release_envelope(tmp_path: Path):
    piano = Piano(write_font(tmp_path, [{38: 0} | SUSTAINED]))  # 100 dB in 1 s
    envelope = piano.release_envelope(69, RATE)
    assert len(envelope) == pytest.approx(0.8 * RATE, abs=1)
    assert 20 * np.log10(envelope[[0, RATE // 4, RATE // 2]]) == pytest.approx([0, -25, -50], abs=0.01)


@pytest.mark.parametrize("octaves", [-2, -1, 0, 1, 2])
def test_low_pass(tmp_path: Path, octaves: int):
    cents = 1200 * np.log2(FREQUENCY / 8.176) + 1200 * octaves
    tone = Piano(write_font(tmp_path, [{8: round(cents)} | SUSTAINED])).tone(69, 1.0, RATE)
    expected = -10 * np.log10(1 + 2.0 ** (-4 * octaves))
    assert rms_db(tone[4000:-4000]) - rms_db(SINE / 32768) == pytest.approx(expected, abs=0.1)


def test_filter_closes_while_a_key_is_held(tmp_path: Path):
    start, decrease = round(1200 * np.log2(FREQUENCY / 8.176)), 3600
    zone = {8: start - decrease, 11: decrease, 27: -12000, 28: 1200, 29: 1000} | SUSTAINED  # three octaves down in 2 s
    tone = Piano(write_font(tmp_path, [zone])).tone(69, 3.0, RATE)
    for second, octaves in [(0.1, -0.15), (1.0, -1.5), (2.5, -3)]:
        position = round(second * RATE)
        expected = -10 * np.log10(1 + 2.0 ** (-4 * octaves)) + rms_db(SINE / 32768)
        assert rms_db(tone[position - 1000 : position + 1000]) == pytest.approx(expected, abs=0.5)


@pytest.mark.parametrize("damage", [b"", b"RIFF", b"RIFF\0\0\0\0sfbk", None])
def test_invalid_file_raises_input_error(tmp_path: Path, damage: bytes | None):
    path = write_font(tmp_path, [SUSTAINED])
    path.write_bytes(path.read_bytes()[:-200] if damage is None else damage)
    with pytest.raises(InputError, match=r"font\.sf2: not a sound font"):
        Piano(path)


def test_piano_of_pretty_midi():
    piano = Piano()
    for pitch in range(21, 109):
        tone = piano.tone(pitch, 3.0, RATE)
        levels = [rms_db(tone[round(s * RATE) :][:4410]) for s in (0.0, 1.0, 2.0)]
        assert -45 < levels[0] < -15, pitch
        assert levels[0] > levels[1] > levels[2], pitch
        # It is loud after 10 ms at the latest.
        assert np.abs(tone[:441]).max() > 10 ** (levels[0] / 20) / 10, pitch
