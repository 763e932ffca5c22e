"""Standard MIDI Files, event by event."""

import struct
from collections.abc import Iterable

Event = tuple[int, bytes]
"""Tick and message."""


def on(pitch: int, velocity: int = 64, channel: int = 0) -> bytes:
    return bytes([0x90 | channel, pitch, velocity])


def off(pitch: int, channel: int = 0) -> bytes:
    return bytes([0x80 | channel, pitch, 0])


def control(number: int, value: int, channel: int = 0) -> bytes:
    return bytes([0xB0 | channel, number, value])


def pedal(value: int, channel: int = 0) -> bytes:
    return control(64, value, channel)


def tempo(microseconds: int) -> bytes:
    return b"\xff\x51\x03" + microseconds.to_bytes(3, "big")


def track(events: Iterable[Event]) -> bytes:
    """The events in order of time; those of one tick stay in the order given."""
    body, now = b"", 0
    for tick, message in sorted(events, key=lambda event: event[0]):
        body += _length(tick - now) + message
        now = tick
    body += b"\x00\xff\x2f\x00"
    return b"MTrk" + struct.pack(">I", len(body)) + body


def file(*tracks: Iterable[Event], kind: int = 1, division: int = 500) -> bytes:
    """A file of format `kind` with `division` ticks a quarter note: of 1 ms each, unless there are tempo messages."""
    return b"MThd" + struct.pack(">IHHH", 6, kind, len(tracks), division) + b"".join(map(track, tracks))


def _length(number: int) -> bytes:
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(number & 0x7F | 0x80)
    return bytes(reversed(groups))
