"""Removing notes from an existing MIDI file and adding notes to it, without a change to anything else in it.

Tracks, tempo changes, pedal messages and all other notes stay as they are.
"""

import io
from pathlib import Path

import mido
import numpy as np
import pandas as pd

from stages.midi.tempo_map import MidiError, TempoMap
from stages.utils.atomic import atomic_file

MAX_TICK_SECONDS = 0.002
"""s; longest tick of a written file, so that added notes are in time. The resolution is raised where it can be."""

MAX_TICKS_PER_QUARTER = 32767
"""Highest resolution that the header of a MIDI file can hold."""

DRUM_CHANNEL = 9
"""Channel 10 of General MIDI, counted from 0."""


class MidiEditor:
    """A MIDI file that is being edited.

    Attributes:
        file: the file as mido holds it, with all edits so far.
    """

    def __init__(self, data: bytes) -> None:
        """Parse a MIDI file.

        Args:
            data: the bytes of a MIDI file of format 0, 1 or 2.

        Raises:
            MidiError: the bytes are not a MIDI file, or one that counts time in SMPTE frames.
        """
        try:
            self.file = mido.MidiFile(file=io.BytesIO(data), clip=True)
        except Exception as error:  # a damaged file can make mido raise anything
            raise MidiError(f"not readable as MIDI: {' '.join(str(error).split())[:200]}") from None
        self.file.type = 1  # format 0 has one track only, and adding notes makes a second one
        for track in self.file.tracks:
            _keep_messages(track, [_can_be_written(message) for message in track])
        if not 1 <= self.file.ticks_per_beat <= MAX_TICKS_PER_QUARTER:
            raise MidiError("counts time in SMPTE frames, or has no ticks")
        self._raise_resolution()

    def remove(self, start: float, end: float) -> int:
        """Remove the notes, except drums, whose onset is at start <= time < end.

        Args:
            start: begin of the region in s.
            end: end of the region in s.

        Returns:
            The number of notes removed.
        """
        tempo_map = self._tempo_map()
        removed = 0
        for track in self.file.tracks:
            time = tempo_map.ticks_to_seconds(_absolute_ticks(track))
            in_region = (time >= start) & (time < end)
            keep = _select_messages(track, in_region.tolist())
            removed += sum(_is_note_on(message) and not kept for message, kept in zip(track, keep, strict=True))
            _keep_messages(track, keep)
        return removed

    def add(self, notes: pd.DataFrame, name: str) -> None:
        """Add notes on a new track.

        The track has a channel that nothing else in the file uses, as long as one is free, so that pedal and program
        messages of the file do not apply to it. A note ends at the latest at the next onset of its pitch.

        Args:
            notes: the columns `start`, `sounding_duration` (both in s), `pitch` and `velocity` of a note table.
            name: name of the track.
        """
        tempo_map = self._tempo_map()
        start = notes["start"].to_numpy(np.float64)
        end = start + notes["sounding_duration"].to_numpy(np.float64)
        pitch, velocity = notes["pitch"].to_numpy(), notes["velocity"].to_numpy()
        onset = tempo_map.seconds_to_ticks(start)
        offset = np.maximum(tempo_map.seconds_to_ticks(end), onset + 1)
        for key in np.unique(pitch):
            rows = np.flatnonzero(pitch == key)
            this, following = rows[:-1], rows[1:]
            offset[this] = np.minimum(offset[this], np.maximum(onset[following], onset[this] + 1))
        # At the same tick a key comes up (0) before it goes down again (1). Velocity 0 means note-off.
        events = sorted(
            [(tick, 1, key, loudness) for tick, key, loudness in zip(onset, pitch, velocity, strict=True)]
            + [(tick, 0, key, 0) for tick, key in zip(offset, pitch, strict=True)]
        )
        channel = self._unused_channel()
        track = mido.MidiTrack([mido.MetaMessage("track_name", name=name)])
        previous_tick = 0
        for tick, _, key, loudness in events:
            delta = int(tick - previous_tick)
            track.append(mido.Message("note_on", channel=channel, note=int(key), velocity=int(loudness), time=delta))
            previous_tick = tick
        self.file.tracks.append(track)

    def write(self, path: Path) -> None:
        """Write the edited file; it appears under its name once it is complete."""
        content = io.BytesIO()
        self.file.save(file=content)
        with atomic_file(path) as part:
            part.write_bytes(content.getvalue())

    def _tempo_map(self) -> TempoMap:
        changes = [
            (tick, message.tempo)
            for track in self.file.tracks
            for tick, message in zip(_absolute_ticks(track).tolist(), track, strict=True)
            if message.type == "set_tempo"
        ]
        changes.sort(key=lambda change: change[0])
        ticks, tempos = np.array(changes, np.int64).reshape(-1, 2).T
        return TempoMap(ticks, tempos, self.file.ticks_per_beat)

    def _raise_resolution(self) -> None:
        # An integer factor keeps all times exactly.
        factor = int(np.ceil(self._tempo_map().tick_seconds.max() / MAX_TICK_SECONDS))
        factor = max(1, min(factor, MAX_TICKS_PER_QUARTER // self.file.ticks_per_beat))
        self.file.ticks_per_beat *= factor
        for track in self.file.tracks:
            for message in track:
                message.time *= factor

    def _unused_channel(self) -> int:
        used = {message.channel for track in self.file.tracks for message in track if hasattr(message, "channel")}
        return next((channel for channel in range(16) if channel not in used | {DRUM_CHANNEL}), 0)


def _absolute_ticks(track: mido.MidiTrack) -> np.ndarray:
    """Return the tick of each message, int64; messages themselves hold the ticks since the one before."""
    return np.cumsum([message.time for message in track], dtype=np.int64)


def _can_be_written(message: mido.Message | mido.MetaMessage) -> bool:
    # System common and real-time messages are for cables, not for files: mido reads them in a file, but refuses to
    # write them.
    return message.is_meta or message.type == "sysex" or hasattr(message, "channel")


def _is_note(message: mido.Message | mido.MetaMessage) -> bool:
    return message.type in ("note_on", "note_off") and message.channel != DRUM_CHANNEL


def _is_note_on(message: mido.Message | mido.MetaMessage) -> bool:
    return _is_note(message) and message.type == "note_on" and message.velocity > 0


def _select_messages(track: mido.MidiTrack, in_region: list[bool]) -> list[bool]:
    """Return which messages of a track stay when the notes with an onset in a region are removed.

    A note-off ends all notes of its key that are on, so it stays if one of these stays, or if none of them was removed.

    Args:
        track: the messages.
        in_region: for each message, whether it is in the region.
    """
    on_and_kept: set[tuple[int, int]] = set()  # channel and pitch
    on_and_removed: set[tuple[int, int]] = set()
    keep = []
    for message, inside in zip(track, in_region, strict=True):
        if not _is_note(message):
            keep.append(True)
            continue
        key = message.channel, message.note
        if _is_note_on(message):
            keep.append(not inside)
            (on_and_removed if inside else on_and_kept).add(key)
        else:
            keep.append(key in on_and_kept or key not in on_and_removed)
            on_and_kept.discard(key)
            on_and_removed.discard(key)
    return keep


def _keep_messages(track: mido.MidiTrack, keep: list[bool]) -> None:
    """Remove the other messages from a track; those kept stay at their ticks."""
    messages, previous_tick = [], 0
    for message, tick, kept in zip(track, _absolute_ticks(track).tolist(), keep, strict=True):
        if kept:
            messages.append(message.copy(time=tick - previous_tick))
            previous_tick = tick
    track[:] = messages
