"""The structure of a Standard MIDI File: its header, its tracks, and their tempo changes."""

import struct
from dataclasses import dataclass

import numpy as np

from stages.midi.midi_events import SET_TEMPO, Events, parse_events, parse_number
from stages.midi.tempo_map import MidiError, TempoMap

TRACK = b"MTrk"

MAX_BYTES = 32_000_000
"""Most bytes of a file; a longer one is regarded as damaged. Music of an hour takes less than a hundredth of it; its
events take up to 40 times as much memory."""


@dataclass(frozen=True)
class Track:
    """One track chunk.

    Attributes:
        begin: where the chunk begins in the bytes of the file.
        end: where it ends.
        events: what it holds, up to the end of the track.
    """

    begin: int
    end: int
    events: Events


@dataclass(frozen=True)
class MidiFile:
    """A MIDI file of format 0, 1 or 2.

    Attributes:
        data: the bytes of the file.
        ticks_per_quarter: its resolution.
        tracks: as many as the header says. Other chunks and what follows the last track are left alone.
    """

    data: bytes
    ticks_per_quarter: int
    tracks: list[Track]

    def tempo_map(self, factor: int = 1) -> TempoMap:
        """Return the tempo map; tempo changes count for all tracks, whichever track they are on.

        A tempo event of fewer than three bytes is ignored, and so are further bytes of a longer one.

        Args:
            factor: by which the resolution is to be raised: the map is of so many times as many ticks.

        Raises:
            MidiError: a tick has no length.
        """
        changes = []
        for events in (track.events for track in self.tracks):
            for row, (begin, end) in events.meta.items():
                if events.data1[row] == SET_TEMPO:
                    length, payload = parse_number(self.data, begin, end)
                    if length >= 3:
                        tempo = int.from_bytes(self.data[payload : payload + 3], "big")
                        changes.append((int(events.tick[row]), tempo))
        changes.sort(key=lambda change: change[0])  # those of one tick stay in the order of tracks
        ticks, tempos = np.array(changes, np.int64).reshape(-1, 2).T
        return TempoMap(ticks * factor, tempos, self.ticks_per_quarter * factor)


def parse_midi(data: bytes) -> MidiFile:
    """Parse a MIDI file.

    Args:
        data: its bytes.

    Raises:
        MidiError: the bytes are not a MIDI file of format 0, 1 or 2, it counts time in SMPTE frames, or it is damaged.
    """
    if not data:
        raise MidiError("is empty")
    if data[:4] != b"MThd":
        raise MidiError("not a MIDI file: does not begin with a MIDI header")
    if len(data) > MAX_BYTES:
        raise MidiError(f"is longer than {MAX_BYTES // 10**6} MB, so it is regarded as damaged")
    if len(data) < 14:
        raise MidiError("damaged: ends within its header")
    length, file_format, track_count, division = struct.unpack_from(">IHHH", data, 4)
    if length < 6:
        raise MidiError(f"has a header of {length} bytes; a MIDI header has at least 6")
    if file_format > 2:
        raise MidiError(f"has format {file_format}; MIDI files have format 0, 1 or 2")
    if division >= 0x8000:
        raise MidiError("counts time in SMPTE frames, not in ticks per quarter note")
    if not division:
        raise MidiError("has no ticks: 0 per quarter note")
    if not track_count:
        raise MidiError("has no tracks")
    tracks: list[Track] = []
    for begin, end in _find_tracks(data, 8 + length, track_count):
        try:
            events = parse_events(data, begin + 8, end)
        except MidiError as error:
            raise MidiError(f"damaged: track {len(tracks) + 1} {error}") from None
        tracks.append(Track(begin, end, events))
    return MidiFile(data, division, tracks)


def _find_tracks(data: bytes, position: int, track_count: int) -> list[tuple[int, int]]:
    """Return where the chunks of the first `track_count` tracks begin and end."""
    found: list[tuple[int, int]] = []
    while len(found) < track_count:
        length = int.from_bytes(data[position + 4 : position + 8], "big")
        end = position + 8 + length
        if end > len(data):
            raise MidiError(f"damaged: ends before the last of its {track_count} tracks does")
        if data[position : position + 4] == TRACK:
            found.append((position, end))
        position = end
    return found
