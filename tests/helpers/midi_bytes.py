"""Standard MIDI Files built message by message."""

import struct
from collections.abc import Iterable

Event = tuple[int, bytes]
"""Tick and message."""


def note_on(pitch: int, velocity: int = 64, channel: int = 0) -> bytes:
    """Return a note-on message."""
    return bytes([0x90 | channel, pitch, velocity])


def note_off(pitch: int, channel: int = 0) -> bytes:
    """Return a note-off message."""
    return bytes([0x80 | channel, pitch, 0])


def control(number: int, value: int, channel: int = 0) -> bytes:
    """Return a control change message."""
    return bytes([0xB0 | channel, number, value])


def pedal(value: int, channel: int = 0) -> bytes:
    """Return a message of the sustain pedal, which is down from 64 upwards."""
    return control(64, value, channel)


def tempo(microseconds: int) -> bytes:
    """Return a tempo message.

    Args:
        microseconds: per quarter note.
    """
    return b"\xff\x51\x03" + microseconds.to_bytes(3, "big")


def track(events: Iterable[Event]) -> bytes:
    """Return a track chunk of events, sorted by tick; events of one tick stay in the order given."""
    body, previous_tick = b"", 0
    for tick, message in sorted(events, key=lambda event: event[0]):
        body += variable_length(tick - previous_tick) + message
        previous_tick = tick
    body += b"\x00\xff\x2f\x00"
    return b"MTrk" + struct.pack(">I", len(body)) + body


def file(*tracks: Iterable[Event], kind: int = 1, division: int = 500) -> bytes:
    """Return a MIDI file.

    Args:
        tracks: the events of each track.
        kind: format of the file: 0, 1 or 2.
        division: ticks per quarter note. The default makes ticks of 1 ms, unless there are tempo messages.
    """
    return b"MThd" + struct.pack(">IHHH", 6, kind, len(tracks), division) + b"".join(map(track, tracks))


def variable_length(number: int) -> bytes:
    """Return a number in groups of seven bits, as MIDI files hold times and lengths."""
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(number & 0x7F | 0x80)
    return bytes(reversed(groups))
