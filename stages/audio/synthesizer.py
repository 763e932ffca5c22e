"""Notes to sound, and sound to files that every browser plays.

Time in the sound is time in the notes: silence before the first note is kept, so a playhead needs no offset. The sound
ends when the last note has faded. Memory does not grow with the length of the music; it is played twice instead, once
to measure and once to write.
"""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from stages.audio.soundfont import Piano
from stages.utils.atomic import atomic_file

KEYBOARD = 64.5
"""MIDI number of the middle of the keyboard, heard in the middle."""

KNEE, CEILING = 0.5, 0.75
"""Amplitudes: peaks above the first, 6 dB below full scale, are bent so that they stay below the second, 2.5 dB below.
MP3 moves peaks by up to that much."""

HIGHEST = 4.0
"""Amplitude: how high a peak may be before it is bent. Sound with higher peaks for its loudness is left softer."""

BITRATE = 96
"""kbit/s, constant: players find a place in such a file exactly, which a playhead needs."""

_ENCODER_GAIN = 0.95  # LAME turns its input down by this much
_BLOCK = 10  # s of sound in memory at a time, beside the notes that ring on
_LEVELS = 10 ** (np.arange(-140, 60, 0.05) / 20)  # amplitudes between which `_gain` counts


class Synthesizer:
    """Notes played on the piano of `soundfont.FONT`.

    Read are the columns start, sustained (s; how long each note sounds, so the pedal is heard), pitch and velocity.
    `rate` in Hz. Amplitude goes with the square of the velocity (SoundFont 2.04, section 8.4.1); low keys sound from
    the left. Each note begins in the frame nearest to its start.
    """

    def __init__(self, notes: pd.DataFrame, rate: int) -> None:
        piano, notes = Piano(), notes.sort_values(["start", "pitch"], kind="stable")
        self.rate = rate
        self.start = np.rint(notes["start"].to_numpy(np.float64) * rate).astype(np.int64)
        self.held = np.rint(notes["sustained"].to_numpy(np.float64) * rate).astype(np.int64)
        self.pitch = notes["pitch"].to_numpy(np.int64)
        self.gain = (notes["velocity"].to_numpy(np.float32)[:, None] / 127) ** 2 * _balance(self.pitch)
        self.fades = {pitch: piano.release(pitch, rate) for pitch in np.unique(self.pitch).tolist()}
        self.tones = {
            pitch: piano.tone(pitch, (self.held[self.pitch == pitch].max() + len(fade)) / rate, rate)
            for pitch, fade in self.fades.items()
        }
        length = {pitch: (len(self.fades[pitch]), len(tone)) for pitch, tone in self.tones.items()}
        fading, ringing = np.array([length[pitch] for pitch in self.pitch.tolist()], np.int64).reshape(-1, 2).T
        self.end = self.start + np.minimum(self.held + fading, ringing)

    def blocks(self) -> Iterator[np.ndarray]:
        """Successive parts of the sound, float32 `[frames, 2]`, unscaled; the last one ends with the sound.

        Without notes, a second of silence.
        """
        tail = np.zeros((0 if len(self.start) else self.rate, 2), np.float32)
        size = _BLOCK * self.rate
        final = int(self.start.max(initial=-size)) // size
        for number in range(final + 1):
            begin = number * size
            rows = range(*np.searchsorted(self.start, [begin, begin + size]).tolist())
            frames = max([size if number < final else 0, len(tail), *(self.end[rows] - begin)])
            sound = np.zeros((frames, 2), np.float32)
            sound[: len(tail)] = tail
            for row in rows:
                sound[self.start[row] - begin : self.end[row] - begin] += self._note(row)
            tail = sound[size:] if number < final else sound
            if number < final:
                yield sound[:size]
        yield tail

    def _note(self, row: int) -> np.ndarray:
        pitch, held = int(self.pitch[row]), int(self.held[row])
        note = self.tones[pitch][: self.end[row] - self.start[row]].copy()
        note[held:] *= self.fades[pitch][: max(len(note) - held, 0)]
        return note[:, None] * self.gain[row]


def write_mp3(notes: pd.DataFrame, path: Path, rate: int, loudness: float) -> None:
    """Play notes (see `Performance`) into an MP3 file, stereo, `BITRATE`, `rate` Hz (22050, 44100 or 48000).

    `loudness` is the root mean square level of the whole file in dB below full scale, -40 to -10. Peaks are bent to
    stay below full scale, and the gain makes up for what that takes away. The same notes give the same bytes.
    """
    performance = Synthesizer(notes, rate)
    gain = _gain(performance.blocks(), loudness)
    # libsndfile counts compression from the highest to the lowest bit rate that the sample rate allows.
    highest, lowest = (320, 32) if rate >= 32000 else (160, 8)
    form = {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": "CONSTANT"}
    compression = (highest - BITRATE) / (highest - lowest)
    # In memory first, where it takes 1 MB a minute: libsndfile does not tell why the disk refuses.
    encoded = io.BytesIO()
    with soundfile.SoundFile(encoded, "w", rate, 2, **form, compression_level=compression) as file:
        for sound in performance.blocks():
            file.write(_bent(sound * gain) / np.float32(_ENCODER_GAIN))
    with atomic_file(path) as part:
        part.write_bytes(encoded.getvalue())


def _balance(pitch: np.ndarray) -> np.ndarray:
    # Left and right amplitude, float32 [notes, 2], of the same power for all keys.
    angle = np.pi / 4 * (1 + 0.5 * np.clip((pitch.astype(np.float64) - KEYBOARD) / 43.5, -1, 1))
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def _bent(sound: np.ndarray) -> np.ndarray:
    # Linear up to the knee, then towards the ceiling without reaching it.
    size = np.abs(sound)
    over = np.maximum(size - KNEE, 0)
    room = CEILING - KNEE
    return np.where(over > 0, np.copysign(KNEE + room * np.tanh(over / room), sound), sound)


def _gain(sound: Iterator[np.ndarray], loudness: float) -> np.float32:
    # The factor that brings the sound, once bent, to the loudness; found on counts of its amplitudes.
    counts, values, peak = np.zeros(len(_LEVELS) + 1), 0, 0.0
    for part in sound:
        size = np.abs(part.ravel())
        counts += np.bincount(np.searchsorted(_LEVELS, size), minlength=len(counts))
        values, peak = values + len(size), max(peak, float(size.max(initial=0)))
    if not peak:
        return np.float32(0)
    middles = np.append(0, np.sqrt(_LEVELS[1:] * _LEVELS[:-1]))
    low, high = 0.0, HIGHEST / peak
    for _ in range(50):  # after which halving leaves nothing to choose
        gain = (low + high) / 2
        power = (counts[:-1] * _bent(middles * gain) ** 2).sum() / values
        low, high = (gain, high) if power < 10 ** (loudness / 10) else (low, gain)
    return np.float32(low)
