"""MIDI files to note tables and back.

Reading goes through symusic, which gives the file's ticks; seconds are computed here, in float64. Writing goes
through pretty_midi.

What a file means here, where the standard leaves it open or programs differ:

- All tracks and channels are one performance, except the drum channel (10), which is left out.
- A note-off ends every note of its key, on its track and channel, that began in an earlier tick, as in pretty_midi.
  A note that ends in the tick it begins in, or never, is no note. (symusic pairs the first note-on with the first
  note-off. That is undone here, but where a key has more note-ons than note-offs, symusic hides the last of them.)
- Where several tracks strike one key in the same tick, the loudest of these notes is kept; of equally loud ones, the
  one held longest, then the one sounding longest.
- Tempo changes count for every track, wherever they stand. Before the first it is 120 quarter notes a minute. Of
  several in one tick the last counts, as far as symusic keeps their order.
- The sustain pedal (controller 64, down from 64 upwards) belongs to its track, channel and program. Pedal messages of
  a tick come before its note-offs: a key released as the pedal comes down is held by it, one released as the pedal
  comes up is not. A pedal that is never lifted holds until the last note-off or pedal message of the file. Tracks
  without notes do not count, for symusic leaves them out.
- An onset of the same pitch, on whatever track, ends the sound of the note before it, even if its key is still down.
- Data bytes above 127 are read as 127.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import symusic

from stages.midi.tempo_map import MidiError, TempoMap

if TYPE_CHECKING:
    import pandas as pd

SUSTAIN_PEDAL = 64
PEDAL_THRESHOLD = 64
"""Values of the controller from here up mean that the pedal is down."""

MAX_SECONDS = 24 * 3600.0
"""s; a file that plays longer is taken for damaged."""


TICKS_PER_SECOND = 1000
"""Of the files that `write_midi` makes: the encoding's 10 ms grid is exact, and pretty_midi, which refuses more than
ten million ticks, still reads hours."""


def read_midi(data: bytes) -> pd.DataFrame:
    """Read the performance in the bytes of a MIDI file of format 0, 1 or 2.

    Returns the columns of the note table without `piece`, sorted by start, pitch; at least one row. All times are
    float64 still, so that start + duration is the note-off's time to the last digit.

    Raises MidiError if the bytes cannot be parsed, count time in SMPTE frames, hold no note, or play for more than
    `LONGEST`. symusic is native code: where many files of strangers are read, stages.midi.midi_pool keeps it apart.
    """
    import pandas as pd  # here, as the processes of stages.midi.midi_pool do without: it takes half a second

    return pd.DataFrame(read_columns(data))


def read_columns(data: bytes) -> dict[str, np.ndarray]:
    """`read_midi` as arrays."""
    _check_chunks(data)
    try:
        # Without sanitize_data a data byte above 127 makes symusic write outside its tables.
        score = symusic.Score.from_midi(data, sanitize_data=True)
    except Exception as error:
        reason = " ".join(str(error).split()).removeprefix("MiniMidi: ")
        raise MidiError(f"not readable as MIDI: {reason[:200]}") from None
    tracks = [_Track(track) for track in score.tracks if not track.is_drum]
    if not any(len(track.start) for track in tracks):
        raise MidiError("holds no note that begins and ends, drums aside")
    last = max(track.last for track in tracks)
    tempos = score.tempos.numpy()
    seconds = TempoMap(tempos["time"], tempos["mspq"], score.tpq).seconds
    if min(track.first for track in tracks) < 0:
        raise MidiError("has times beyond the range of MIDI")
    if seconds(last) > MAX_SECONDS:
        raise MidiError(f"plays for {seconds(last) / 3600:.3g} hours, which is taken for damage")

    start, release, pitch, velocity = (
        np.concatenate([getattr(track, name) for track in tracks]) for name in ("start", "release", "pitch", "velocity")
    )
    damped = np.concatenate([track.damped(last) for track in tracks])
    rows = _loudest(start, pitch, velocity, release, damped)
    start, release, damped, pitch, velocity = (each[rows] for each in (start, release, damped, pitch, velocity))
    onset = seconds(start)
    return {
        "start": onset,
        "step": np.diff(onset, prepend=onset[0]),
        "duration": seconds(release) - onset,
        "sustained": seconds(np.minimum(damped, _next_onset(start, pitch))) - onset,
        "pitch": pitch,
        "velocity": velocity,
    }


def write_midi(frame: pd.DataFrame, target: str | Path | BinaryIO) -> None:
    """Write notes as a MIDI file of one piano track without pedal, to a path or a file open for writing bytes.

    Read are the columns `start`, `sustained` (how long each note sounds; both s, rounded to `TICKS_PER_SECOND`),
    `pitch` and `velocity`. A note lasts at least a tick and ends at the latest with the next onset of its pitch; of
    notes of one pitch in one tick the loudest is kept. The same notes give the same bytes, whatever their order.
    """
    import pretty_midi  # here, for it takes a third of a second and reading does without

    start = np.rint(frame["start"].to_numpy(np.float64) * TICKS_PER_SECOND).astype(np.int64)
    end = np.rint((frame["start"].to_numpy(np.float64) + frame["sustained"].to_numpy(np.float64)) * TICKS_PER_SECOND)
    end = np.maximum(end.astype(np.int64), start + 1)
    pitch, velocity = frame["pitch"].to_numpy(np.uint8), frame["velocity"].to_numpy(np.uint8)
    rows = _loudest(start, pitch, velocity, end)
    start, end, pitch, velocity = start[rows], end[rows], pitch[rows], velocity[rows]
    end = np.minimum(end, _next_onset(start, pitch))

    file = pretty_midi.PrettyMIDI(resolution=TICKS_PER_SECOND // 2, initial_tempo=120)
    piano = pretty_midi.Instrument(program=0)
    piano.notes = [
        pretty_midi.Note(force, key, on / TICKS_PER_SECOND, off / TICKS_PER_SECOND)
        for force, key, on, off in zip(velocity.tolist(), pitch.tolist(), start.tolist(), end.tolist(), strict=True)
    ]
    file.instruments.append(piano)
    file.write(target)


class _Track:
    """The notes and the pedal of one channel of one track; times in ticks, as int64: symusic's int32 can overflow.

    Attributes: `start`, `release`, `pitch`, `velocity` of the notes, in the order of `start`; `first` and `last` of all
    times, zero if there are none.
    """

    def __init__(self, track: symusic.core.TrackTick) -> None:
        notes, controls = track.notes.numpy(), track.controls.numpy()
        real = notes["duration"] > 0
        self.start = notes["time"][real].astype(np.int64)
        self.release = self.start + notes["duration"][real]
        self.pitch = notes["pitch"][real].astype(np.uint8)
        self.velocity = notes["velocity"][real].astype(np.uint8)
        pedal = controls["number"] == SUSTAIN_PEDAL
        self._moved = controls["time"][pedal].astype(np.int64)
        self._down = controls["value"][pedal] >= PEDAL_THRESHOLD
        times = np.concatenate([self.start, self.release, self._moved])
        self.first, self.last = times.min(initial=0), times.max(initial=0)
        self._release_at_the_first_note_off()

    def _release_at_the_first_note_off(self) -> None:
        rows = np.argsort(self.pitch, kind="stable")
        pitch, start, release = self.pitch[rows], self.start[rows], self.release[rows]
        if ((pitch[1:] == pitch[:-1]) & (release[:-1] > start[1:])).any():
            # All note-offs, by key and then by time; every note has one of its own after it.
            key = pitch.astype(np.int64) << 32
            offs = np.sort(key + release)
            self.release[rows] = offs[np.searchsorted(offs, key + start, "right")] - key

    def damped(self, last: int) -> np.ndarray:
        """Ticks at which the notes are damped: when the key is up and the pedal too, or at `last`."""
        # The times at which the pedal goes down, up, down, ...: after an odd number of them it is down.
        moves = self._moved[np.diff(self._down, prepend=False)]
        passed = np.searchsorted(moves, self.release, "right")
        return np.where(passed % 2, np.append(moves, last)[passed], self.release)


def _check_chunks(data: bytes) -> None:
    """Raise MidiError unless the file's chunks are all there: symusic would read on behind the end of the data."""
    if data[:4] != b"MThd" or len(data) < 14:
        raise MidiError("not a MIDI file: does not begin with a MIDI header")
    length, _, expected = struct.unpack_from(">IHH", data, 4)
    place, found = 8 + length, 0
    while found < expected and place + 8 <= len(data):
        kind, length = struct.unpack_from(">4sI", data, place)
        found += kind == b"MTrk"
        place += 8 + length
    if found < expected or place > len(data):
        raise MidiError(f"damaged: ends before the last of its {expected} tracks does")


def _loudest(start: np.ndarray, pitch: np.ndarray, velocity: np.ndarray, *ends: np.ndarray) -> np.ndarray:
    """Rows in order of start, pitch; of those alike in both, only the loudest, of these the last by `ends`."""
    place = start * 128 + pitch
    rows = np.argsort(place, kind="stable")
    if (np.diff(place[rows]) == 0).any():
        rows = np.lexsort((*(-end for end in reversed(ends)), -velocity.astype(np.int64), place))
        rows = rows[np.append(True, np.diff(place[rows]) > 0)]
    return rows


def _next_onset(start: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    """Start of each note's successor on the same pitch, for notes in order of start; the largest integer if none."""
    rows = np.argsort(pitch, kind="stable")
    following = np.full(len(start), np.iinfo(np.int64).max)
    same = pitch[rows[1:]] == pitch[rows[:-1]]
    following[rows[:-1][same]] = start[rows[1:][same]]
    return following
