"""The piano of a SoundFont 2 file: recorded strings, and how they fade.

Section numbers are those of the "SoundFont Technical Specification", version 2.04, E-mu Systems 1998-2006. Read is
what shapes a piano: samples, loops, tuning, volume envelope, and the low-pass filter that its envelope closes. Left
out are other instruments, layers by velocity, linked stereo samples, low-frequency oscillators and effects sends.

symusic's synthesiser is not used: in 0.5.9 all velocities are equally loud, held notes do not fade, and releases click.
"""

from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import numpy as np

from stages.utils.errors import InputError

FONT = files("pretty_midi") / "TimGM6mb.sf2"
"""A General MIDI sound font, 6 MB, by Tim Brechbill; it comes with pretty_midi."""

_SILENT = 80.0  # dB of fading after which a note is not heard any more

# Generators, section 8.1.2, with their defaults. Times are in timecents, 1200 log2(s).
_GENERATORS = {
    0: ("start", 0), 1: ("end", 0), 2: ("loop_start", 0), 3: ("loop_end", 0),  # sample points
    4: ("coarse_start", 0), 12: ("coarse_end", 0), 45: ("coarse_loop_start", 0), 50: ("coarse_loop_end", 0),  # 32768
    8: ("cutoff", 13500), 11: ("cutoff_swing", 0),  # cents above 8.176 Hz; cents at the filter envelope's peak
    27: ("filter_hold", -12000), 28: ("filter_decay", -12000), 29: ("filter_sustain", 0),  # sustain: fall in 0.1 %
    35: ("hold", -12000), 36: ("decay", -12000), 37: ("sustain", 0), 38: ("release", -12000),  # sustain: fall in cB
    48: ("attenuation", 0),  # cB
    51: ("coarse_tune", 0), 52: ("fine_tune", 0), 56: ("scale_tuning", 100), 58: ("root", -1),  # semitones, cents
    54: ("loop", 0),
}  # fmt: skip
_KEYS, _INSTRUMENT, _SAMPLE = 43, 41, 53

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
    """A recorded string and the keys that play it."""

    keys: tuple[int, int]  # lowest and highest MIDI number
    wave: np.ndarray  # float32, -1 to 1, up to the loop's end
    rate: int  # Hz
    root: float  # MIDI number that sounds at this rate
    scale: float  # semitones a key
    loop: int  # points that are repeated at the end of `wave`; 0 if it ends there
    settings: dict[str, int]  # the other generators, in the file's units


def _timecents(value: int) -> float:
    return 2 ** (value / 1200) if value > -12000 else 0.0


class Piano:
    """Preset 0 of bank 0 of a sound font.

    Raises InputError if the file cannot be read as one.
    """

    def __init__(self, path: Path = FONT) -> None:
        try:
            self.zones = _zones(Path(path).read_bytes())
        except (ValueError, IndexError, KeyError) as error:
            raise InputError(f"{path}: not a sound font with a piano ({error})") from None

    def tone(self, pitch: int, seconds: float, rate: int) -> np.ndarray:
        """The sound of a key held down: mono float32 of at most `seconds`, less where it has faded to -80 dB before.

        `pitch` is a MIDI number; beyond the font's keys the nearest string is played faster or slower. `rate` in Hz.
        """
        zone = self._zone(pitch)
        settings = zone.settings
        hold, decay = _timecents(settings["hold"]), _timecents(settings["decay"])
        # The volume falls by 100 dB in `decay`, straight in dB, down to the sustain level (section 9.1.7).
        lowest = settings["sustain"] / 10
        if lowest >= _SILENT:
            seconds = min(seconds, hold + decay * _SILENT / 100)
        time = np.arange(round(seconds * rate)) / rate
        fall = np.clip((time - hold) * (100 / max(decay, 1e-3)), 0, lowest)

        speed = zone.rate / rate * 2 ** ((pitch - zone.root) * zone.scale / 12)
        place = np.arange(len(time)) * speed
        last = len(zone.wave) - 1
        if zone.loop:
            place = np.where(place < last, place, last - zone.loop + np.mod(place - last, zone.loop))
        wave = np.interp(place, np.arange(last + 1), zone.wave, right=0)
        volume = 10 ** (-(fall + settings["attenuation"] / 10) / 20)
        return (_low_pass(wave, settings, rate) * volume).astype(np.float32)

    def release(self, pitch: int, rate: int) -> np.ndarray:
        """The factors, float32, by which a tone fades from the moment the key comes up, down to -80 dB."""
        zone = self._zone(pitch)
        fall = 100 / max(_timecents(zone.settings["release"]), 0.01)  # dB/s (section 8.1.2, generator 38)
        return (10 ** (-fall / 20 * np.arange(int(rate * _SILENT / fall)) / rate)).astype(np.float32)

    def _zone(self, pitch: int) -> Zone:
        return min(self.zones, key=lambda zone: max(zone.keys[0] - pitch, pitch - zone.keys[1], 0))


def _low_pass(wave: np.ndarray, settings: dict[str, int], rate: int) -> np.ndarray:
    # A two-pole filter without resonance (section 9.1.3), |H|^2 = 1 / (1 + (f / cutoff)^4), whose cutoff follows the
    # filter envelope: held at its peak, then falling straight in cents. Done in overlapping windows, some 50 ms long.
    half = 1024
    count = len(wave) // half + 2
    padded = np.zeros((count + 1) * half)
    padded[half : half + len(wave)] = wave
    frames = np.lib.stride_tricks.sliding_window_view(padded, 2 * half)[::half]
    bell = 0.5 - 0.5 * np.cos(np.pi * (np.arange(2 * half) + 0.5) / half)  # such windows add up to 1
    time = np.arange(len(frames)) * half / rate
    hold, decay = _timecents(settings["filter_hold"]), max(_timecents(settings["filter_decay"]), 1e-3)
    level = np.clip(1 - (time - hold) / decay, 1 - settings["filter_sustain"] / 1000, 1)
    cutoff = 8.176 * 2 ** ((settings["cutoff"] + settings["cutoff_swing"] * level) / 1200)
    spectrum = np.fft.rfft(frames * bell, 4 * half)  # twice as long as the window: what rings on does not wrap round
    frequency = np.fft.rfftfreq(4 * half, 1 / rate)
    filtered = np.fft.irfft(spectrum / np.sqrt(1 + (frequency / cutoff[:, None]) ** 4), 4 * half)
    result = np.zeros((len(frames) + 3) * half)
    for quarter in range(4):
        piece = filtered[:, quarter * half : (quarter + 1) * half].ravel()
        result[quarter * half : quarter * half + len(piece)] += piece
    return result[half : half + len(wave)]


def _zones(data: bytes) -> list[Zone]:
    chunks = _chunks(data)
    table = {
        name: np.frombuffer(data, kind, chunks[name][1] // kind.itemsize, chunks[name][0])
        for name, kind in _TABLES.items()
    }
    wave = np.frombuffer(data, "<i2", chunks["smpl"][1] // 2, chunks["smpl"][0])
    presets = np.flatnonzero((table["phdr"]["preset"] == 0) & (table["phdr"]["bank"] == 0))
    zones = []
    for generators in _bags(table, "phdr", "pbag", "pgen", presets[0]):
        if _INSTRUMENT in generators:
            common: dict[int, int] = {}
            for own in _bags(table, "inst", "ibag", "igen", generators[_INSTRUMENT]):
                if _SAMPLE in own:
                    zones.append(_zone(common | own, table["shdr"], wave))
                else:
                    common = own  # a zone without a sample, the first one, holds for all
    return zones


def _chunks(data: bytes) -> dict[str, tuple[int, int]]:
    # Place and size of every chunk in the file's three lists (sections 3 and 4).
    if data[:4] != b"RIFF" or data[8:12] != b"sfbk":
        raise ValueError("no RIFF file of type sfbk")
    found, place = {}, 12
    while place + 8 <= len(data):
        name, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        if name == b"LIST":
            place += 12
            continue
        found[name.decode("ascii")] = (place + 8, size)
        place += 8 + size + size % 2
    return found


def _bags(table: dict[str, np.ndarray], heads: str, bags: str, generators: str, number: int) -> list[dict[int, int]]:
    # The zones of a preset or an instrument, each as {generator: amount}.
    first, end = table[heads]["bag"][number : number + 2]
    edges = table[bags]["generators"][first : end + 1]
    rows = [table[generators][start:stop] for start, stop in pairwise(edges.tolist())]
    return [dict(zip(part["kind"].tolist(), part["amount"].tolist(), strict=True)) for part in rows]


def _zone(generators: dict[int, int], samples: np.ndarray, wave: np.ndarray) -> Zone:
    sample = samples[generators[_SAMPLE]]
    settings = {name: generators.get(number, default) for number, (name, default) in _GENERATORS.items()}

    def point(name: str) -> int:
        return int(sample[name]) + settings[name] + 32768 * settings[f"coarse_{name}"]

    loops = settings["loop"] in (1, 3)
    start, end = point("start"), point("loop_end") + 1 if loops else point("end")
    keys = generators.get(_KEYS, 0x7F00) & 0xFFFF
    tuning = settings["coarse_tune"] + (settings["fine_tune"] + int(sample["correction"])) / 100
    scale = settings["scale_tuning"] / 100
    root = settings["root"] if settings["root"] >= 0 else int(sample["pitch"])
    return Zone(
        keys=(keys & 0xFF, keys >> 8),
        wave=wave[start:end].astype(np.float32) / 32768,
        rate=int(sample["rate"]),
        root=root - tuning / max(scale, 0.01),
        scale=scale,
        loop=point("loop_end") - point("loop_start") if loops else 0,
        settings=settings,
    )
