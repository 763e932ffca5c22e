"""Removing notes from an existing MIDI file and adding notes to it, without a change to anything else in it.

All other events stay at their ticks, and their bytes and all other chunks are written as they were, known or not. Only
what a chunk holds after the end of its track is left out: it is no part of the music, but some programs play it.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from stages.midi.midi_events import (
    CONTROL_CHANGE,
    END_OF_TRACK,
    MAX_DELTA,
    META,
    NOTE_OFF,
    NOTE_ON,
    PROGRAM_CHANGE,
    SYSEX,
    Events,
    encode_events,
    split_events,
)
from stages.midi.midi_file import Track, parse_midi
from stages.midi.midi_io import read_columns
from stages.midi.midi_notes import DRUM_CHANNEL, SUSTAIN_PEDAL, Notes, pair_notes
from stages.midi.overlapping_notes import trim_overlaps
from stages.midi.tempo_map import MIN_TICK_SECONDS, MidiError
from stages.utils.atomic import atomic_file

MAX_TICK_SECONDS = 0.002
"""Longest tick of a written file in seconds, so that added notes are in time. The resolution is raised where it can
be."""

MAX_TICKS_PER_QUARTER = 32767
"""Highest resolution that the header of a MIDI file can hold."""

MAX_TRACKS = 65535
"""Most tracks that the header of a MIDI file can count."""

TRACK_NAME = 0x03
"""Number of the meta event."""

END = bytes([META, END_OF_TRACK, 0])
"""The end-of-track event."""


class MidiEditor:
    """A MIDI file from which notes are removed, and then a track of new notes is added.

    Attributes:
        file: the file as it was.
    """

    def __init__(self, data: bytes) -> None:
        """Parse a MIDI file.

        Args:
            data: the bytes of a MIDI file of format 0, 1 or 2.

        Raises:
            MidiError: the bytes cannot be read as MIDI, or the file has no room for a track or a channel of new notes.
        """
        self.file = parse_midi(data)
        self._events = _lay_end_to_end(self.file.tracks)
        self._messages = [message for track in self.file.tracks for _, _, message in _list_events(data, track)]
        self._notes = pair_notes([track.events for track in self.file.tracks])
        self._keep = np.ones(len(self._events.tick), np.bool_)
        self._factor = self._resolution_factor()
        self._new_track: list[tuple[int, int, bytes]] = []  # tick, status and bytes of each event
        self._new_notes = np.zeros((0, 5), np.int64)  # as in _note_rows
        self._free_channels()
        if len(self.file.tracks) == MAX_TRACKS:
            raise MidiError(f"has {MAX_TRACKS} tracks, and new notes need one more")

    def remove(self, start: float, end: float) -> int:
        """Remove the notes, except drums, whose onset is at start <= time < end.

        A note-off that ends removed notes and no other is removed as well.

        Args:
            start: begin of the region in s.
            end: end of the region in s.

        Returns:
            The number of notes removed.
        """
        time = self.file.tempo_map().ticks_to_seconds(self._events.tick)
        removed = _is_note_on(self._events) & self._keep & (time >= start) & (time < end)
        self._keep &= ~removed
        is_kept = self._keep[self._notes.note_on]
        note_off = np.setdiff1d(self._notes.note_off[~is_kept], self._notes.note_off[is_kept])
        self._keep[note_off[self._events.status[note_off] < CONTROL_CHANGE]] = False
        return int(removed.sum())

    def add(self, notes: pd.DataFrame, name: str) -> None:
        """Add notes on a new track, in place of those added before.

        The track has a channel on which the file has no notes, if possible one that it does not use at all; otherwise
        the program of that channel is set to piano and its pedal is lifted, whatever the file does with them. A note
        ends at the latest at the next onset of its pitch.

        Args:
            notes: the columns `start`, `sounding_duration` (both in s), `pitch` and `velocity` of a note table.
            name: name of the track, in ASCII.
        """
        to_ticks = self.file.tempo_map(self._factor).seconds_to_ticks
        start = notes["start"].to_numpy(np.float64)
        end = start + notes["sounding_duration"].to_numpy(np.float64)
        pitch, velocity = notes["pitch"].to_numpy(np.uint8), notes["velocity"].to_numpy(np.uint8)
        onset, offset, pitch, velocity = trim_overlaps(to_ticks(start), to_ticks(end), pitch, velocity)
        channel = self._free_channels()[0]
        columns = (np.full(len(onset), channel), pitch, onset, offset, velocity)
        self._new_notes = np.stack([column.astype(np.int64) for column in columns], axis=1)
        # In the order of a tick: the channel is made a piano without pedal; keys come up; keys go down.
        events = [(tick, 0, message) for tick, message in self._reset_messages(channel, onset.min(initial=0))]
        for _, key, on, off, loudness in self._new_notes.tolist():
            events += [(on, 2, bytes([NOTE_ON | channel, key, loudness])), (off, 1, bytes([NOTE_ON | channel, key, 0]))]
        title = bytes([META, TRACK_NAME, len(name)]) + name.encode("ascii")
        self._new_track = [(0, META, title)] + [(tick, message[0], message) for tick, _, message in sorted(events)]

    def encode(self) -> bytes:
        """Return the bytes of the edited file, of format 1, after a check that it reads as it should.

        Raises:
            MidiError: the file cannot be edited without a change to other notes or events of it.
        """
        data, position = self.file.data, 8 + int.from_bytes(self.file.data[4:8], "big")
        count = len(self.file.tracks) + bool(self._new_track)
        header = struct.pack(">HHH", 1, count, self.file.ticks_per_quarter * self._factor)
        parts = [data[:8], header, data[14:position]]
        first = 0
        for track in self.file.tracks:
            last = first + len(track.events.tick)
            parts += [data[position : track.begin], encode_events(self._kept_messages(first, last))]
            first, position = last, track.end
        parts += [encode_events(self._new_track) if self._new_track else b"", data[position:]]
        content = b"".join(parts)
        self._check(content)
        return content

    def write(self, path: Path) -> None:
        """Write the edited file; it appears under its name once it is complete.

        Raises:
            MidiError: as in `encode`; no file appears.
        """
        content = self.encode()
        with atomic_file(path) as part:
            part.write_bytes(content)

    def _resolution_factor(self) -> int:
        # An integer keeps all times exactly. No time between events may become too long, and no tick too short.
        tick_seconds = self.file.tempo_map().tick_seconds
        most = min(
            MAX_TICKS_PER_QUARTER // self.file.ticks_per_quarter,
            MAX_DELTA // int(self._events.tick.max(initial=1)),
            int(0.999 * tick_seconds.min() / MIN_TICK_SECONDS),
        )
        return max(1, min(int(np.ceil(tick_seconds.max() / MAX_TICK_SECONDS)), most))

    def _free_channels(self) -> list[int]:
        """Return the channels without notes, those with the fewest other messages first."""
        status = self._events.status[self._keep & (self._events.status < SYSEX)]
        messages = np.bincount(status & 0x0F, minlength=16)
        with_notes = {DRUM_CHANNEL, *(self._events.status[self._keep & _is_note_on(self._events)] & 0x0F).tolist()}
        free = [channel for channel in range(16) if channel not in with_notes]
        if not free:
            raise MidiError("has notes on all channels, and new notes need a channel of their own; merge two of them")
        return sorted(free, key=lambda channel: (messages[channel], channel))

    def _reset_messages(self, channel: int, first_tick: int) -> Iterator[tuple[int, bytes]]:
        """Yield messages that make a channel a piano without pedal from a tick on, each with its tick."""
        events = self._events
        is_pedal = (events.status == CONTROL_CHANGE | channel) & (events.data1 == SUSTAIN_PEDAL)
        ticks = events.tick[is_pedal | (events.status == PROGRAM_CHANGE | channel)] * self._factor
        for tick in np.unique(np.maximum(ticks, first_tick)).tolist():
            yield tick, bytes([PROGRAM_CHANGE | channel, 0])
            yield tick, bytes([CONTROL_CHANGE | channel, SUSTAIN_PEDAL, 0])

    def _kept_messages(self, first: int, last: int) -> list[tuple[int, int, bytes]]:
        """Return the events to keep among those numbered from first to last - 1, as `encode_events` takes them."""
        ticks, statuses = self._events.tick * self._factor, self._events.status
        return [
            (int(ticks[number]), int(statuses[number]), self._messages[number])
            for number in (first + np.flatnonzero(self._keep[first:last])).tolist()
        ]

    def _check(self, content: bytes) -> None:
        """Raise MidiError unless all events are where they should be, and all notes as a synthesizer plays them."""
        read_columns(content)  # raises MidiError where compose.py or another stage would
        after = parse_midi(content)
        first = 0
        for track, edited in zip(self.file.tracks, after.tracks, strict=False):
            last = first + len(track.events.tick)
            expected = _with_status(self._kept_messages(first, last))
            found = _with_status(_list_events(content, edited))
            if found[: len(expected)] != expected or any(message != END for _, message in found[len(expected) :]):
                raise MidiError("cannot be edited: its other events would change")
            first = last
        notes = pair_notes([track.events for track in after.tracks])
        rows, is_new = _note_rows(notes), np.isin(notes.channel, self._new_notes[:, 0])
        unchanged = _note_rows(self._notes, self._factor)[self._keep[self._notes.note_on]]
        if not np.array_equal(_sort_rows(rows[~is_new]), _sort_rows(unchanged)):
            raise MidiError("cannot be edited: its other notes would change")
        is_held = notes.sound_offset[is_new] != notes.key_offset[is_new]
        if is_held.any() or not np.array_equal(_sort_rows(rows[is_new]), _sort_rows(self._new_notes)):
            channel = self._new_notes[0, 0] + 1
            raise MidiError(f"cannot be edited: its controllers would change the new notes, on channel {channel}")


def _lay_end_to_end(tracks: list[Track]) -> Events:
    events = [track.events for track in tracks]
    return Events(
        tick=np.concatenate([one.tick for one in events]),
        status=np.concatenate([one.status for one in events]),
        data1=np.concatenate([one.data1 for one in events]),
        data2=np.concatenate([one.data2 for one in events]),
        meta={},
    )


def _is_note_on(events: Events) -> np.ndarray:
    is_note_on = (events.status & 0xF0 == NOTE_ON) & (events.data2 > 0)
    return is_note_on & (events.status & 0x0F != DRUM_CHANNEL)


def _list_events(data: bytes, track: Track) -> list[tuple[int, int, bytes]]:
    """Return the tick, the status and the bytes of each event of a track."""
    messages = split_events(data, track.begin + 8, track.end)
    return list(zip(track.events.tick.tolist(), track.events.status.tolist(), messages, strict=True))


def _with_status(messages: list[tuple[int, int, bytes]]) -> list[tuple[int, bytes]]:
    """Return the tick and the bytes of each event, with its status byte even where it has a running status."""
    return [
        (tick, message if message[0] >= NOTE_OFF else bytes([status]) + message) for tick, status, message in messages
    ]


def _note_rows(notes: Notes, factor: int = 1) -> np.ndarray:
    """Return channel, pitch, onset, key offset and velocity of each note, times multiplied by a factor."""
    onset, key_offset = notes.onset * factor, notes.key_offset * factor
    return np.stack([notes.channel, notes.pitch, onset, key_offset, notes.velocity], axis=1)


def _sort_rows(rows: np.ndarray) -> np.ndarray:
    return rows[np.lexsort(rows.T[::-1])]
