"""The piano of a SoundFont 2 file: recorded tones, their envelopes and their filter.

Section numbers are those of the "SoundFont Technical Specification", version 2.04, E-mu Systems 1998-2006.

What shapes a piano is read: samples, loops, tuning, the volume envelope, and the low-pass filter with its envelope.
Ignored are other instruments, velocity layers, linked stereo samples, low-frequency oscillators and effects sends.

The synthesizer of symusic is not used: in 0.5.9 all velocities are equally loud, held notes do not fade, and releases
click.
"""

from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import numpy as np

from stages.utils.errors import InputError

DEFAULT_SOUNDFONT = Path(str(files("pretty_midi") / "TimGM6mb.sf2"))
"""A General MIDI sound font of 6 MB by Tim Brechbill, which comes with pretty_midi."""

SILENCE_DB = 80.0
"""Attenuation in dB at which a note has become inaudible."""

FILTER_HOP = 1024
"""Distance in samples of the windows in which the low-pass filter is applied; a window is twice as long, some 50 ms."""

# Generators (section 8.1.2) with their defaults. Times are in timecents, 1200 log2(s).
_GENERATORS = {
    0: ("start", 0), 1: ("end", 0), 2: ("loop_start", 0), 3: ("loop_end", 0),  # offsets in samples
    4: ("coarse_start", 0), 12: ("coarse_end", 0), 45: ("coarse_loop_start", 0), 50: ("coarse_loop_end", 0),  # 32768
    8: ("cutoff", 13500), 11: ("cutoff_peak", 0),  # cents above 8.176 Hz; cents added at the filter envelope's peak
    27: ("filter_hold", -12000), 28: ("filter_decay", -12000), 29: ("filter_sustain", 0),  # sustain: decrease in 0.1 %
    35: ("hold", -12000), 36: ("decay", -12000), 37: ("sustain", 0), 38: ("release", -12000),  # sustain: decrease in cB
    48: ("attenuation", 0),  # cB
    51: ("coarse_tune", 0), 52: ("fine_tune", 0), 56: ("scale_tuning", 100), 58: ("root", -1),  # semitones, cents
    54: ("loop", 0),
}  # fmt: skip
_KEY_RANGE, _INSTRUMENT, _SAMPLE_ID = 43, 41, 53
_LOOPED = (1, 3)  # values of the generator `loop`

_BAG = np.dtype([("generators", "<u2"), ("modulators", "<u2")])
_GENERATOR = np.dtype([("kind", "<u2"), ("amount", "<i2")])
_TABLES = {
    "phdr": np.dtype([("name", "S20"), ("preset", "<u2"), ("bank", "<u2"), ("bag", "<u2"), ("rest", "V12")]),
    "pbag": _BAG,
    "pgen": _GENERATOR,
    "inst": np.dtype([("name", "S20"), ("bag", "<u2")]),
    "ibag": _BAG,
    "igen": _GENERATOR,
    "shdr": np.dtype(
        {
            "names": ["name", "start", "end", "loop_start", "loop_end", "rate", "pitch", "correction", "rest"],
            "formats": ["S20", "<u4", "<u4", "<u4", "<u4", "<u4", "u1", "i1", "V4"],
        }
    ),
}


@dataclass(frozen=True)
class Zone:
    """A recorded tone and the keys that play it."""

    key_range: tuple[int, int]  # lowest and highest MIDI number
    wave: np.ndarray  # float32, -1 to 1, up to the end of the loop
    sample_rate: int  # Hz
    root: float  # MIDI number of the key that plays the wave at this rate
    semitones_per_key: float
    loop_length: int  # samples repeated at the end of `wave`; 0 if the tone ends there
    generators: dict[str, int]  # the generators of _GENERATORS, in the units of the file


class Piano:
    """Preset 0 of bank 0 of a sound font.

    Attributes:
        zones: its recorded tones.
    """

    def __init__(self, path: Path = DEFAULT_SOUNDFONT) -> None:
        """Read the sound font.

        Args:
            path: a SoundFont 2 file.

        Raises:
            InputError: the file is not a sound font with that preset.
        """
        try:
            self.zones = _read_zones(path.read_bytes())
        except (ValueError, IndexError, KeyError) as error:
            raise InputError(f"{path}: not a sound font with a piano ({error})") from None

    def tone(self, pitch: int, seconds: float, sample_rate: int) -> np.ndarray:
        """Return the sound of a key that is held down.

        Args:
            pitch: MIDI number. Keys beyond those of the font play the nearest tone faster or slower.
            seconds: length in s.
            sample_rate: in Hz.

        Returns:
            Mono float32 of that length, or shorter if the tone has faded to -80 dB before.
        """
        zone = self._zone(pitch)
        generators = zone.generators
        hold, decay = _timecents_to_seconds(generators["hold"]), _timecents_to_seconds(generators["decay"])
        sustain_db = generators["sustain"] / 10
        if sustain_db >= SILENCE_DB:
            seconds = min(seconds, hold + decay * SILENCE_DB / 100)
        time = np.arange(round(seconds * sample_rate)) / sample_rate
        # The volume decreases linearly in dB, by 100 dB in `decay`, to the sustain level (section 9.1.7).
        envelope_db = np.clip((time - hold) * (100 / max(decay, 1e-3)), 0, sustain_db)
        volume = 10 ** (-(envelope_db + generators["attenuation"] / 10) / 20)
        wave = _resample(zone, pitch, len(time), sample_rate)
        return (_low_pass(wave, generators, sample_rate) * volume).astype(np.float32)

    def release_envelope(self, pitch: int, sample_rate: int) -> np.ndarray:
        """Return the factors, float32, by which a tone fades once its key is released, down to -80 dB.

        Args:
            pitch: MIDI number.
            sample_rate: in Hz.
        """
        zone = self._zone(pitch)
        # Section 8.1.2, generator 38: the time for a decrease by 100 dB.
        db_per_second = 100 / max(_timecents_to_seconds(zone.generators["release"]), 0.01)
        samples = int(sample_rate * SILENCE_DB / db_per_second)
        return (10 ** (-db_per_second / 20 * np.arange(samples) / sample_rate)).astype(np.float32)

    def _zone(self, pitch: int) -> Zone:
        return min(self.zones, key=lambda zone: max(zone.key_range[0] - pitch, pitch - zone.key_range[1], 0))


def _timecents_to_seconds(value: int) -> float:
    return 2 ** (value / 1200) if value > -12000 else 0.0


def _resample(zone: Zone, pitch: int, samples: int, sample_rate: int) -> np.ndarray:
    """Return the wave of a zone at a pitch, looped, by linear interpolation."""
    speed = zone.sample_rate / sample_rate * 2 ** ((pitch - zone.root) * zone.semitones_per_key / 12)
    position = np.arange(samples) * speed
    last = len(zone.wave) - 1
    if zone.loop_length:
        looped = last - zone.loop_length + np.mod(position - last, zone.loop_length)
        position = np.where(position < last, position, looped)
    return np.interp(position, np.arange(last + 1), zone.wave, right=0)


def _low_pass(wave: np.ndarray, generators: dict[str, int], sample_rate: int) -> np.ndarray:
    """Return the wave after the low-pass filter, by overlap-add of windows in the frequency domain.

    The filter has two poles and no resonance (section 9.1.3): |H|^2 = 1 / (1 + (f / cutoff)^4).
    """
    hop, window_size = FILTER_HOP, 2 * FILTER_HOP
    padded = np.zeros((len(wave) // hop + 3) * hop)
    padded[hop : hop + len(wave)] = wave
    segments = np.lib.stride_tricks.sliding_window_view(padded, window_size)[::hop]
    window = 0.5 - 0.5 * np.cos(np.pi * (np.arange(window_size) + 0.5) / hop)  # shifted by `hop`, they sum to 1
    cutoff = _cutoff(np.arange(len(segments)) * hop / sample_rate, generators)
    # Transforms are twice as long as the window, so that the filter's response does not wrap round.
    spectrum = np.fft.rfft(segments * window, 2 * window_size)
    frequency = np.fft.rfftfreq(2 * window_size, 1 / sample_rate)
    filtered = np.fft.irfft(spectrum / np.sqrt(1 + (frequency / cutoff[:, None]) ** 4), 2 * window_size)
    result = np.zeros((len(segments) + 3) * hop)
    for quarter in range(4):
        part = filtered[:, quarter * hop : (quarter + 1) * hop].ravel()
        result[quarter * hop : quarter * hop + len(part)] += part
    return result[hop : hop + len(wave)]


def _cutoff(time: np.ndarray, generators: dict[str, int]) -> np.ndarray:
    """Return the cutoff frequency in Hz at times in s: held at its peak, then decreasing linearly in cents."""
    hold = _timecents_to_seconds(generators["filter_hold"])
    decay = max(_timecents_to_seconds(generators["filter_decay"]), 1e-3)
    envelope = np.clip(1 - (time - hold) / decay, 1 - generators["filter_sustain"] / 1000, 1)
    return 8.176 * 2 ** ((generators["cutoff"] + generators["cutoff_peak"] * envelope) / 1200)


def _read_zones(data: bytes) -> list[Zone]:
    chunks = _find_chunks(data)
    tables = {
        name: np.frombuffer(data, kind, chunks[name][1] // kind.itemsize, chunks[name][0])
        for name, kind in _TABLES.items()
    }
    waves = np.frombuffer(data, "<i2", chunks["smpl"][1] // 2, chunks["smpl"][0])
    piano = np.flatnonzero((tables["phdr"]["preset"] == 0) & (tables["phdr"]["bank"] == 0))[0]
    zones = []
    for preset_zone in _generator_lists(tables, ("phdr", "pbag", "pgen"), piano):
        if _INSTRUMENT in preset_zone:
            zones += _instrument_zones(tables, preset_zone[_INSTRUMENT], waves)
    return zones


def _instrument_zones(tables: dict[str, np.ndarray], instrument: int, waves: np.ndarray) -> list[Zone]:
    zones = []
    common: dict[int, int] = {}
    for generators in _generator_lists(tables, ("inst", "ibag", "igen"), instrument):
        if _SAMPLE_ID in generators:
            zones.append(_make_zone(common | generators, tables["shdr"], waves))
        else:
            common = generators  # the global zone, which comes first and has no sample, applies to all others
    return zones


def _find_chunks(data: bytes) -> dict[str, tuple[int, int]]:
    """Return position and size in bytes of every chunk in the three lists of the file (sections 3 and 4)."""
    if data[:4] != b"RIFF" or data[8:12] != b"sfbk":
        raise ValueError("no RIFF file of type sfbk")
    chunks, position = {}, 12
    while position + 8 <= len(data):
        name, size = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "little")
        if name == b"LIST":
            position += 12
            continue
        chunks[name.decode("ascii")] = (position + 8, size)
        position += 8 + size + size % 2
    return chunks


def _generator_lists(tables: dict[str, np.ndarray], names: tuple[str, str, str], number: int) -> list[dict[int, int]]:
    """Return the zones of a preset or an instrument, each as its generators: {kind: amount}.

    Args:
        tables: the tables of the file.
        names: which of them hold the headers, the bags and the generators.
        number: row of the preset or instrument in the table of headers.
    """
    headers, bags, generators = (tables[name] for name in names)
    first, end = headers["bag"][number : number + 2]
    edges = bags["generators"][first : end + 1].tolist()
    zones = [generators[start:stop] for start, stop in pairwise(edges)]
    return [dict(zip(zone["kind"].tolist(), zone["amount"].tolist(), strict=True)) for zone in zones]


def _make_zone(amounts: dict[int, int], samples: np.ndarray, waves: np.ndarray) -> Zone:
    sample = samples[amounts[_SAMPLE_ID]]
    generators = {name: amounts.get(number, default) for number, (name, default) in _GENERATORS.items()}

    def position(name: str) -> int:
        return int(sample[name]) + generators[name] + 32768 * generators[f"coarse_{name}"]

    looped = generators["loop"] in _LOOPED
    start, end = position("start"), position("loop_end") + 1 if looped else position("end")
    key_range = amounts.get(_KEY_RANGE, 0x7F00) & 0xFFFF
    tuning = generators["coarse_tune"] + (generators["fine_tune"] + int(sample["correction"])) / 100
    semitones_per_key = generators["scale_tuning"] / 100
    root = generators["root"] if generators["root"] >= 0 else int(sample["pitch"])
    return Zone(
        key_range=(key_range & 0xFF, key_range >> 8),
        wave=waves[start:end].astype(np.float32) / 32768,
        sample_rate=int(sample["rate"]),
        root=root - tuning / max(semitones_per_key, 0.01),
        semitones_per_key=semitones_per_key,
        loop_length=position("loop_end") - position("loop_start") if looped else 0,
        generators=generators,
    )
