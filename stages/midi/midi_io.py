"""Reading of MIDI files into note tables, and writing of note tables as MIDI files.

Rules of reading, where the standard leaves something open or programs differ:

1. Tracks. The tracks that the header counts are read as a synthesizer gets them: merged in order of time, events of one
   tick in order of tracks, each track up to its first end-of-track event. All channels are one performance, except the
   drum channel (10), which is left out.
2. Note-on and note-off. They belong to their channel, whatever the track and the program. A note-off ends every note of
   its key whose onset is at an earlier tick. If there is none, it drops the notes that began at its own tick before it,
   for they have no length. A note without an end is dropped. So do pretty_midi and most synthesizers.
   Controllers 120 (all sound off), 123 (all notes off) and 124 to 127 (changes of mode) end all notes of their channel;
   the first of them ends their sound too, whatever the pedal.
3. Duplicates. Of notes with the same onset tick and pitch the loudest is kept; of equally loud ones the one with the
   longest key duration, then the one with the longest sounding duration.
4. Tempo. Tempo changes count for every track, whichever track they are on. Before the first one the tempo is 120
   quarter notes a minute. Of several at one tick the last one counts.
5. Sustain pedal. It belongs to its channel, whatever the track and the program. It is down at values of controller 64
   from 64 upwards, and up after controller 121 (reset all controllers). Pedal messages come before note-offs of the
   same tick: a key released as the pedal goes down is sustained, one released as the pedal comes up is not. A pedal
   that is never lifted sustains until the last note-off or pedal message of all channels with notes.
6. Repeated notes. An onset of the same pitch, on any channel, ends the sound of the note before it, even if the key of
   that note is still down.
7. Invalid bytes. Data bytes above 127 are read as 127. System real-time messages, which do not belong in a file, are
   skipped; undefined ones are an error. A running status stays in effect after meta events and system messages.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from stages.midi.midi_events import NOTE_ON
from stages.midi.midi_file import MidiFile, parse_midi
from stages.midi.midi_notes import DRUM_CHANNEL, pair_notes
from stages.midi.overlapping_notes import next_onset, sort_and_deduplicate, trim_overlaps
from stages.midi.tempo_map import MidiError

if TYPE_CHECKING:
    import pandas as pd

MAX_SECONDS = 24 * 3600.0
"""Longest playing time of a file in seconds; one that plays for longer is regarded as damaged."""

TICKS_PER_SECOND = 1000
"""Resolution of the files that `write_midi` makes. The 10 ms frames of the grid are exact in it, and pretty_midi, which
refuses files of more than ten million ticks, can still read hours of music."""


def read_midi(data: bytes) -> pd.DataFrame:
    """Read a MIDI file as a note table, by the rules above.

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
    file = parse_midi(data)
    to_seconds = file.tempo_map().ticks_to_seconds
    notes = pair_notes([track.events for track in file.tracks])
    if not len(notes.onset):
        raise MidiError(_why_no_notes(file))
    seconds = to_seconds(max(notes.key_offset.max(), notes.sound_offset.max()))
    if seconds > MAX_SECONDS:
        raise MidiError(f"plays for {seconds / 3600:.3g} hours, so it is regarded as damaged")

    rows = sort_and_deduplicate(notes.onset, notes.pitch, notes.velocity, notes.key_offset, notes.sound_offset)
    onset, pitch, key_offset = notes.onset[rows], notes.pitch[rows], notes.key_offset[rows]
    sound_offset = np.minimum(notes.sound_offset[rows], next_onset(onset, pitch))

    start = to_seconds(onset)
    return {
        "start": start,
        "step": np.diff(start, prepend=start[0]),
        "key_duration": to_seconds(key_offset) - start,
        "sounding_duration": to_seconds(sound_offset) - start,
        "pitch": pitch,
        "velocity": notes.velocity[rows],
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
    onset, offset, pitch, velocity = trim_overlaps(
        np.rint(start * TICKS_PER_SECOND).astype(np.int64),
        np.rint(end * TICKS_PER_SECOND).astype(np.int64),
        notes["pitch"].to_numpy(np.uint8),
        notes["velocity"].to_numpy(np.uint8),
    )
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


def _why_no_notes(file: MidiFile) -> str:
    events = [track.events for track in file.tracks]
    note_ons = [one.status[(one.status & 0xF0 == NOTE_ON) & (one.data2 > 0)] for one in events]
    is_drum = np.concatenate(note_ons) & 0x0F == DRUM_CHANNEL
    if not len(is_drum):
        return "has no notes"
    if is_drum.all():
        return "has notes only on the drum channel"
    return "has no note outside the drum channel that ends" if is_drum.any() else "has no note that ends"
