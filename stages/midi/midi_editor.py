"""Notes taken out of somebody's MIDI file and put in, with all else as it was: tracks, tempi, pedal, other notes."""

import io
from pathlib import Path

import mido
import numpy as np
import pandas as pd

from stages.midi.tempo_map import MidiError, TempoMap
from stages.utils.atomic import atomic_file

MAX_TICK_SECONDS = 0.002
"""s; a tick of what is written is no longer, if it can be, so that new notes come in time."""

_DRUMS = 9


class MidiEditor:
    """A MIDI file that is being changed.

    Raises MidiError, as `midi.read_midi` does, for bytes that are no MIDI file.
    """

    def __init__(self, data: bytes) -> None:
        try:
            self.file = mido.MidiFile(file=io.BytesIO(data), clip=True)
        except Exception as error:  # whatever a damaged file makes mido raise
            raise MidiError(f"not readable as MIDI: {' '.join(str(error).split())[:200]}") from None
        self.file.type = 1  # a file of one track, format 0, gets a second one
        for track in self.file.tracks:
            ticks = np.cumsum([message.time for message in track], dtype=np.int64)
            _keep(track, ticks, [_belongs(message) for message in track])
        if not 1 <= self.file.ticks_per_beat <= 32767:
            raise MidiError("counts time in frames, or not at all")
        self._count_finer()

    def remove(self, start: float, end: float) -> int:
        """Take out the notes, drums aside, that begin in start <= time < end, in seconds; returns how many."""
        clock, removed = self._clock(), 0
        for track in self.file.tracks:
            ticks = np.cumsum([message.time for message in track], dtype=np.int64)
            inside = (clock.seconds(ticks) >= start) & (clock.seconds(ticks) < end)
            # Of the notes of a key that are open, how many are kept: a note-off ends all of them, and stays for those.
            kept: dict[tuple[int, int], int] = {}
            taken: dict[tuple[int, int], int] = {}
            stay = []
            for message, within in zip(track, inside.tolist(), strict=True):
                stays = True
                if message.type in ("note_on", "note_off") and message.channel != _DRUMS:
                    key = message.channel, message.note
                    if message.type == "note_on" and message.velocity:
                        stays = not within
                        counts = kept if stays else taken
                        counts[key] = counts.get(key, 0) + 1
                        removed += not stays
                    else:
                        stays = kept.pop(key, 0) > 0 or key not in taken
                        taken.pop(key, None)
                stay.append(stays)
            _keep(track, ticks, stay)
        return removed

    def add(self, notes: pd.DataFrame, name: str) -> None:
        """Put notes (columns start, sustained, pitch and velocity, as in a note table) on a track of their own.

        It has a channel that nothing else in the file uses, as long as there is one, so no pedal or program of the
        file's reaches it. A note ends at the latest with the next onset of its pitch.
        """
        clock = self._clock()
        start = notes["start"].to_numpy(np.float64)
        on = clock.ticks(start)
        off = np.maximum(clock.ticks(start + notes["sustained"].to_numpy(np.float64)), on + 1)
        pitch, velocity = notes["pitch"].to_numpy(), notes["velocity"].to_numpy()
        for key in np.unique(pitch):
            rows = np.flatnonzero(pitch == key)
            off[rows[:-1]] = np.minimum(off[rows[:-1]], np.maximum(on[rows[1:]], on[rows[:-1]] + 1))
        channel = self._free_channel()
        # A key is released before it is struck again in the same tick.
        events = sorted(
            [(tick, 1, key, force) for tick, key, force in zip(on, pitch, velocity, strict=True)]
            + [(tick, 0, key, 0) for tick, key in zip(off, pitch, strict=True)]
        )
        track = mido.MidiTrack([mido.MetaMessage("track_name", name=name)])
        now = 0
        for tick, _, key, force in events:
            track.append(
                mido.Message("note_on", channel=channel, note=int(key), velocity=int(force), time=int(tick - now))
            )
            now = tick
        self.file.tracks.append(track)

    def write(self, path: Path) -> None:
        """Write the file as it now is; it takes its name once it is whole."""
        content = io.BytesIO()
        self.file.save(file=content)
        with atomic_file(path) as part:
            part.write_bytes(content.getvalue())

    def _clock(self) -> TempoMap:
        time, tempo = [], []
        for track in self.file.tracks:
            now = 0
            for message in track:
                now += message.time
                if message.type == "set_tempo":
                    time.append(now)
                    tempo.append(message.tempo)
        order = np.argsort(time, kind="stable")
        return TempoMap(np.array(time, np.int64)[order], np.array(tempo, np.int64)[order], self.file.ticks_per_beat)

    def _count_finer(self) -> None:
        # The same times in ticks of a whole part of their length.
        factor = int(np.ceil(self._clock().tick.max() / MAX_TICK_SECONDS))
        factor = max(1, min(factor, 32767 // self.file.ticks_per_beat))
        self.file.ticks_per_beat *= factor
        for track in self.file.tracks:
            for message in track:
                message.time *= factor

    def _free_channel(self) -> int:
        used = {message.channel for track in self.file.tracks for message in track if hasattr(message, "channel")}
        return next((channel for channel in range(16) if channel not in used | {_DRUMS}), 0)


def _belongs(message: mido.Message | mido.MetaMessage) -> bool:
    # Clocks, resets and the like are for cables between instruments; mido reads them in a file, but writes none.
    return message.is_meta or message.type == "sysex" or hasattr(message, "channel")


def _keep(track: mido.MidiTrack, ticks: np.ndarray, stay: list[bool]) -> None:
    # What stays comes when it came.
    messages, now = [], 0
    for message, tick, stays in zip(track, ticks.tolist(), stay, strict=True):
        if stays:
            messages.append(message.copy(time=tick - now))
            now = tick
    track[:] = messages
