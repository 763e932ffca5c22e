"""Synthesis of piano sound from notes, and writing of MP3 files.

Time in the sound is time in the notes: silence before the first note is kept, so a playhead needs no offset. The sound
ends when the last note has faded. Memory does not grow with the length of the music, since sound is synthesized block
by block. Instead the music is synthesized twice: once to find the gain, and once to write.
"""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from stages.audio.soundfont import Piano
from stages.utils.atomic import atomic_file

KEYBOARD_CENTER = 64.5
"""MIDI number of the middle of the keyboard, which sounds from the center."""

KEYBOARD_HALF_WIDTH = 43.5
"""Distance in semitones from the center to the outermost keys of a piano."""

CLIP_KNEE = 0.5
"""Amplitude above which soft clipping begins: 6 dB below full scale."""

CLIP_CEILING = 0.75
"""Amplitude that soft-clipped sound stays below: 2.5 dB below full scale, since MP3 raises peaks by up to that much."""

MAX_PEAK = 4.0
"""Highest amplitude before soft clipping. Sound with higher peaks at its target loudness gets less gain instead."""

BITRATE = 96
"""Bit rate in kbit/s, constant: only in such a file do players seek exactly, which a playhead needs."""

BLOCK_SECONDS = 10
"""Length in seconds of the sound in memory at a time, besides the notes that still ring."""

ENCODER_GAIN = 0.95
"""Factor by which LAME scales its input down."""

_BIN_EDGES = 10 ** (np.arange(-140, 60, 0.05) / 20)  # amplitudes; bins of the histogram in `find_gain`


class Synthesizer:
    """Notes played on the piano of `soundfont.DEFAULT_SOUNDFONT`.

    Amplitude grows with the square of the velocity (SoundFont 2.04, section 8.4.1). Low keys sound from the left. Each
    note begins at the sample nearest to its start.

    Attributes, in order of start, then pitch, times in samples:
        onset: first sample of each note.
        held: samples until each note is released.
        end: sample at which each note has faded.
        pitch: MIDI numbers.
        gain: left and right amplitude, float32, shape (notes, 2).
        releases: release envelope by pitch.
        tones: sound of a held key by pitch.
    """

    def __init__(self, notes: pd.DataFrame, sample_rate: int) -> None:
        """Synthesize one tone per pitch.

        Args:
            notes: the columns `start`, `sounding_duration` (both in s; the latter includes the pedal), `pitch` and
                `velocity` of a note table, in any order.
            sample_rate: in Hz.
        """
        piano, notes = Piano(), notes.sort_values(["start", "pitch"], kind="stable")
        self.sample_rate = sample_rate
        self.onset = np.rint(notes["start"].to_numpy(np.float64) * sample_rate).astype(np.int64)
        self.held = np.rint(notes["sounding_duration"].to_numpy(np.float64) * sample_rate).astype(np.int64)
        self.pitch = notes["pitch"].to_numpy(np.int64)
        self.gain = (notes["velocity"].to_numpy(np.float32)[:, None] / 127) ** 2 * _pan(self.pitch)
        self.releases = {pitch: piano.release_envelope(pitch, sample_rate) for pitch in np.unique(self.pitch).tolist()}
        self.tones = {
            pitch: piano.tone(pitch, (self.held[self.pitch == pitch].max() + len(release)) / sample_rate, sample_rate)
            for pitch, release in self.releases.items()
        }
        release_length = np.array([len(self.releases[pitch]) for pitch in self.pitch.tolist()], np.int64)
        tone_length = np.array([len(self.tones[pitch]) for pitch in self.pitch.tolist()], np.int64)
        self.end = self.onset + np.minimum(self.held + release_length, tone_length)

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield successive blocks of the sound.

        Yields:
            Left and right, unscaled, float32, shape (samples, 2): `BLOCK_SECONDS` each, and the last one up to the end
            of the sound. Without notes, one second of silence.
        """
        block_size = BLOCK_SECONDS * self.sample_rate
        last_block = int(self.onset.max(initial=-block_size)) // block_size
        ringing = np.zeros((0 if len(self.onset) else self.sample_rate, 2), np.float32)  # what blocks so far left over
        for number in range(last_block + 1):
            begin = number * block_size
            rows = range(*np.searchsorted(self.onset, [begin, begin + block_size]).tolist())
            samples = max([block_size if number < last_block else 0, len(ringing), *(self.end[rows] - begin)])
            sound = np.zeros((samples, 2), np.float32)
            sound[: len(ringing)] = ringing
            for row in rows:
                sound[self.onset[row] - begin : self.end[row] - begin] += self._note(row)
            if number == last_block:
                ringing = sound
            else:
                ringing = sound[block_size:]
                yield sound[:block_size]
        yield ringing

    def _note(self, row: int) -> np.ndarray:
        pitch, held = int(self.pitch[row]), int(self.held[row])
        note = self.tones[pitch][: self.end[row] - self.onset[row]].copy()
        note[held:] *= self.releases[pitch][: max(len(note) - held, 0)]
        return note[:, None] * self.gain[row]


def write_mp3(notes: pd.DataFrame, path: Path, sample_rate: int, loudness_dbfs: float) -> None:
    """Synthesize notes into a stereo MP3 file of `BITRATE`.

    Peaks are soft-clipped to stay below full scale, and the gain makes up for what this takes away. The same notes give
    the same bytes, in whatever order the rows are.

    Args:
        notes: see `Synthesizer`.
        path: the file; it appears once it is complete.
        sample_rate: in Hz: 22050, 44100 or 48000.
        loudness_dbfs: RMS level of the whole file in dB relative to full scale, -40 to -10.
    """
    synthesizer = Synthesizer(notes, sample_rate)
    gain = find_gain(synthesizer.blocks(), loudness_dbfs)
    # libsndfile maps compression 0 to 1 to the bit rates that the sample rate allows, from the highest to the lowest.
    highest, lowest = (320, 32) if sample_rate >= 32000 else (160, 8)
    compression = (highest - BITRATE) / (highest - lowest)
    encoding = {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": "CONSTANT"}
    # Encoded in memory, where it takes 1 MB a minute, since libsndfile does not give the reason of a failed write.
    encoded = io.BytesIO()
    with soundfile.SoundFile(encoded, "w", sample_rate, 2, **encoding, compression_level=compression) as file:
        for sound in synthesizer.blocks():
            file.write(soft_clip(sound * gain) / np.float32(ENCODER_GAIN))
    with atomic_file(path) as part:
        part.write_bytes(encoded.getvalue())


def soft_clip(sound: np.ndarray) -> np.ndarray:
    """Return the sound with its peaks limited.

    Amplitudes up to `CLIP_KNEE` are unchanged. Higher ones approach `CLIP_CEILING` along a hyperbolic tangent, without
    a corner and without reaching it.
    """
    amplitude = np.abs(sound)
    excess = np.maximum(amplitude - CLIP_KNEE, 0)
    headroom = CLIP_CEILING - CLIP_KNEE
    return np.where(excess > 0, np.copysign(CLIP_KNEE + headroom * np.tanh(excess / headroom), sound), sound)


def find_gain(blocks: Iterator[np.ndarray], loudness_dbfs: float) -> np.float32:
    """Find the gain that brings a sound, once soft-clipped, to a loudness.

    The RMS level for a gain is computed from a histogram of the amplitudes, and the gain is found by bisection.

    Args:
        blocks: the sound, block by block.
        loudness_dbfs: target RMS level in dB relative to full scale.

    Returns:
        The gain as a factor: at most what brings the peak to `MAX_PEAK`; 0 for silence.
    """
    histogram, peak = _amplitude_histogram(blocks)
    if not peak:
        return np.float32(0)
    values = int(histogram.sum())
    bin_centers = np.append(0, np.sqrt(_BIN_EDGES[1:] * _BIN_EDGES[:-1]))
    target_power = 10 ** (loudness_dbfs / 10)
    low, high = 0.0, MAX_PEAK / peak
    for _ in range(50):  # beyond the precision of float64
        gain = (low + high) / 2
        power = (histogram[:-1] * soft_clip(bin_centers * gain) ** 2).sum() / values
        low, high = (gain, high) if power < target_power else (low, gain)
    return np.float32(low)


def _amplitude_histogram(blocks: Iterator[np.ndarray]) -> tuple[np.ndarray, float]:
    """Return how many values of a sound lie below, between and above `_BIN_EDGES`, and the peak amplitude."""
    histogram, peak = np.zeros(len(_BIN_EDGES) + 1), 0.0
    for block in blocks:
        amplitude = np.abs(block.ravel())
        histogram += np.bincount(np.searchsorted(_BIN_EDGES, amplitude), minlength=len(histogram))
        peak = max(peak, float(amplitude.max(initial=0)))
    return histogram, peak


def _pan(pitch: np.ndarray) -> np.ndarray:
    """Return left and right amplitude, float32, shape (notes, 2), with the same power for all keys."""
    position = np.clip((pitch.astype(np.float64) - KEYBOARD_CENTER) / KEYBOARD_HALF_WIDTH, -1, 1)
    angle = np.pi / 4 * (1 + 0.5 * position)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
