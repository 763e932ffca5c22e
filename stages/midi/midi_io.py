"""Reading of MIDI files into note tables, and writing of note tables as MIDI files.

Reading goes through symusic, which gives the ticks of the file; seconds are computed here, in float64. Writing goes
through pretty_midi.

Rules of reading, where the standard leaves something open or programs differ:

1. Tracks. All tracks and channels are one performance, except the drum channel (10), which is left out.
2. Note-on and note-off. A note-off ends every note of its key, on its track and channel, whose onset is at an earlier
   tick, as in pretty_midi. A note with its offset at the tick of its onset, or without an offset, is dropped.
   (symusic pairs the first note-on with the first note-off. This is corrected here. But where a key has more note-ons
   than note-offs, symusic drops the last of them.)
3. Duplicates. Of notes with the same onset tick and pitch the loudest is kept; of equally loud ones the one with the
   longest key duration, then the one with the longest sounding duration.
4. Tempo. Tempo changes count for every track, whichever track they are on. Before the first one the tempo is 120
   quarter notes a minute. Of several at one tick the last one counts, as far as symusic keeps their order.
5. Sustain pedal. The pedal is down at values of controller 64 from 64 upwards. It applies to its track, channel and
   program. Pedal messages come before note-offs of the same tick: a key released as the pedal goes down is sustained,
   one released as the pedal comes up is not. A pedal that is never lifted sustains until the last note-off or pedal
   message of the file; tracks without notes do not count for this, since symusic leaves them out.
6. Repeated notes. An onset of the same pitch, on any track, ends the sound of the note before it, even if the key of
   that note is still down.
7. Invalid bytes. Data bytes above 127 are read as 127.
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
"""Controller number of the sustain (damper) pedal (MIDI 1.0)."""

PEDAL_THRESHOLD = 64
"""The pedal is down at controller values from this one upwards."""

MAX_SECONDS = 24 * 3600.0
"""s; a file that plays for longer is regarded as damaged."""

TICKS_PER_SECOND = 1000
"""Resolution of the files that `write_midi` makes. The 10 ms frames of the grid are exact in it, and pretty_midi, which
refuses files of more than ten million ticks, can still read hours of music."""


def read_midi(data: bytes) -> pd.DataFrame:
    """Read a MIDI file as a note table, by the rules above.

    symusic is native code. Where many files of unknown origin are read, stages.midi.midi_pool keeps its crashes apart.

    Args:
        data: the bytes of a MIDI file of format 0, 1 or 2.

    Returns:
        The columns of the note table without `piece`, at least one row, sorted by start, then pitch. All times are
        float64, so that start + key_duration is the time of the note-off to the last digit.

    Raises:
        MidiError: the bytes cannot be parsed, count time in SMPTE frames, hold no note, or play for more than
            `MAX_SECONDS`.
    """
    # Imported here because it takes half a second, and the workers of stages.midi.midi_pool do without it.
    import pandas as pd

    return pd.DataFrame(read_columns(data))


def read_columns(data: bytes) -> dict[str, np.ndarray]:
    """Read a MIDI file as the columns of a note table; see `read_midi`."""
    score = _parse(data)
    tracks = [_Track(track) for track in score.tracks if not track.is_drum]
    if not any(len(track.onset) for track in tracks):
        raise MidiError("has no complete note outside the drum channel")
    last_tick = max(track.last_tick for track in tracks)
    tempos = score.tempos.numpy()
    to_seconds = TempoMap(tempos["time"], tempos["mspq"], score.tpq).ticks_to_seconds
    if min(track.first_tick for track in tracks) < 0:
        raise MidiError("has times beyond the range of MIDI")
    if to_seconds(last_tick) > MAX_SECONDS:
        raise MidiError(f"plays for {to_seconds(last_tick) / 3600:.3g} hours, so it is regarded as damaged")

    onset = np.concatenate([track.onset for track in tracks])
    key_offset = np.concatenate([track.key_offset for track in tracks])
    sound_offset = np.concatenate([track.sound_offset(last_tick) for track in tracks])
    pitch = np.concatenate([track.pitch for track in tracks])
    velocity = np.concatenate([track.velocity for track in tracks])
    rows = _sort_and_deduplicate(onset, pitch, velocity, key_offset, sound_offset)
    onset, key_offset, sound_offset = onset[rows], key_offset[rows], sound_offset[rows]
    pitch, velocity = pitch[rows], velocity[rows]
    sound_offset = np.minimum(sound_offset, _next_onset(onset, pitch))

    start = to_seconds(onset)
    return {
        "start": start,
        "step": np.diff(start, prepend=start[0]),
        "key_duration": to_seconds(key_offset) - start,
        "sounding_duration": to_seconds(sound_offset) - start,
        "pitch": pitch,
        "velocity": velocity,
    }


def write_midi(notes: pd.DataFrame, target: str | Path | BinaryIO) -> None:
    """Write notes as a MIDI file of one piano track without pedal.

    A note lasts at least one tick and ends at the latest at the next onset of its pitch. Of notes of one pitch at one
    tick the loudest is kept. The same notes give the same bytes, in whatever order the rows are.

    Args:
        notes: the columns `start`, `sounding_duration` (both in s, rounded to `TICKS_PER_SECOND`), `pitch` and
            `velocity` of a note table.
        target: a path, or a file open for writing bytes.
    """
    # Imported here because it takes a third of a second, and reading does without it.
    import pretty_midi

    start = notes["start"].to_numpy(np.float64)
    end = start + notes["sounding_duration"].to_numpy(np.float64)
    pitch, velocity = notes["pitch"].to_numpy(np.uint8), notes["velocity"].to_numpy(np.uint8)
    onset = np.rint(start * TICKS_PER_SECOND).astype(np.int64)
    offset = np.maximum(np.rint(end * TICKS_PER_SECOND).astype(np.int64), onset + 1)
    rows = _sort_and_deduplicate(onset, pitch, velocity, offset)
    onset, offset, pitch, velocity = onset[rows], offset[rows], pitch[rows], velocity[rows]
    offset = np.minimum(offset, _next_onset(onset, pitch))

    piano = pretty_midi.Instrument(program=0)
    piano.notes = [
        pretty_midi.Note(loudness, key, on / TICKS_PER_SECOND, off / TICKS_PER_SECOND)
        for loudness, key, on, off in zip(
            velocity.tolist(), pitch.tolist(), onset.tolist(), offset.tolist(), strict=True
        )
    ]
    file = pretty_midi.PrettyMIDI(resolution=TICKS_PER_SECOND // 2, initial_tempo=120)
    file.instruments.append(piano)
    file.write(target)


class _Track:
    """The notes and pedal messages of one channel of one track.

    Times are in ticks, as int64, since sums of symusic's int32 can overflow.

    Attributes:
        onset: tick of each note-on, in ascending order.
        key_offset: tick of each note's note-off.
        pitch: uint8.
        velocity: uint8.
        first_tick: the earliest of all times; 0 if there are none.
        last_tick: the latest of all times; 0 if there are none.
    """

    def __init__(self, track: symusic.core.TrackTick) -> None:
        notes, controls = track.notes.numpy(), track.controls.numpy()
        not_empty = notes["duration"] > 0
        self.onset = notes["time"][not_empty].astype(np.int64)
        self.key_offset = self.onset + notes["duration"][not_empty]
        self.pitch = notes["pitch"][not_empty].astype(np.uint8)
        self.velocity = notes["velocity"][not_empty].astype(np.uint8)
        is_pedal = controls["number"] == SUSTAIN_PEDAL
        self._pedal_tick = controls["time"][is_pedal].astype(np.int64)
        self._pedal_down = controls["value"][is_pedal] >= PEDAL_THRESHOLD
        ticks = np.concatenate([self.onset, self.key_offset, self._pedal_tick])
        self.first_tick, self.last_tick = ticks.min(initial=0), ticks.max(initial=0)
        self._pair_with_next_note_off()

    def _pair_with_next_note_off(self) -> None:
        """Undo symusic's pairing: let each note end at the first note-off of its key after its onset (rule 2)."""
        rows = np.argsort(self.pitch, kind="stable")
        pitch, onset, key_offset = self.pitch[rows], self.onset[rows], self.key_offset[rows]
        overlaps = (pitch[1:] == pitch[:-1]) & (key_offset[:-1] > onset[1:])
        if overlaps.any():
            # All note-offs in order of pitch, then time. Every note is followed by at least one of its pitch: its own.
            pitch_key = pitch.astype(np.int64) << 32
            note_offs = np.sort(pitch_key + key_offset)
            self.key_offset[rows] = note_offs[np.searchsorted(note_offs, pitch_key + onset, "right")] - pitch_key

    def sound_offset(self, last_tick: int) -> np.ndarray:
        """Return the tick at which each note is damped: once the key and the pedal are up, or at `last_tick`."""
        # Ticks at which the pedal goes down, up, down, ...: after an odd number of changes it is down.
        changes = self._pedal_tick[np.diff(self._pedal_down, prepend=False)]
        changes_before = np.searchsorted(changes, self.key_offset, "right")
        return np.where(changes_before % 2, np.append(changes, last_tick)[changes_before], self.key_offset)


def _parse(data: bytes) -> symusic.core.ScoreTick:
    _check_chunks(data)
    try:
        # Without sanitize_data a data byte above 127 makes symusic write outside its tables.
        return symusic.core.ScoreTick.from_midi(data, sanitize_data=True)
    except Exception as error:
        reason = " ".join(str(error).split()).removeprefix("MiniMidi: ")
        raise MidiError(f"not readable as MIDI: {reason[:200]}") from None


def _check_chunks(data: bytes) -> None:
    """Raise MidiError unless all chunks of the file are complete: symusic would read beyond the end of the data."""
    if data[:4] != b"MThd" or len(data) < 14:
        raise MidiError("not a MIDI file: does not begin with a MIDI header")
    length, _, expected = struct.unpack_from(">IHH", data, 4)
    position, found = 8 + length, 0
    while found < expected and position + 8 <= len(data):
        kind, length = struct.unpack_from(">4sI", data, position)
        found += kind == b"MTrk"
        position += 8 + length
    if found < expected or position > len(data):
        raise MidiError(f"damaged: ends before the last of its {expected} tracks does")


def _sort_and_deduplicate(
    onset: np.ndarray, pitch: np.ndarray, velocity: np.ndarray, *offsets: np.ndarray
) -> np.ndarray:
    """Return the rows to keep, sorted by onset, then pitch.

    Of notes with the same onset and pitch only the loudest is kept; of equally loud ones the one with the latest of the
    first `offsets`, then of the second.
    """
    onset_and_pitch = onset * 128 + pitch
    rows = np.argsort(onset_and_pitch, kind="stable")
    if (np.diff(onset_and_pitch[rows]) == 0).any():
        latest_first = (-offset for offset in reversed(offsets))
        rows = np.lexsort((*latest_first, -velocity.astype(np.int64), onset_and_pitch))
        rows = rows[np.append(True, np.diff(onset_and_pitch[rows]) > 0)]
    return rows


def _next_onset(onset: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    """Return the next onset of the same pitch for notes in order of onset; the largest int64 where there is none."""
    rows = np.argsort(pitch, kind="stable")
    following = np.full(len(onset), np.iinfo(np.int64).max)
    same_pitch = pitch[rows[1:]] == pitch[rows[:-1]]
    following[rows[:-1][same_pitch]] = onset[rows[1:][same_pitch]]
    return following
