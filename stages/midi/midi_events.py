"""The events of one track of a Standard MIDI File: parsing them, and encoding them again.

The bytes of an event can be written again as they were, whatever they are: meta events of any number and length,
packets of system exclusive messages.

Nearly all events of a performance are *plain*: channel messages of two data bytes. These are parsed with numpy, as many
as there are in a row. Each has exactly three bytes below 128: the last byte of its delta time and two data bytes. So
the number of such bytes before a byte from 128 on tells what that byte is: a status, or the beginning of a delta time.
All other events are parsed one by one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from stages.midi.tempo_map import MidiError

NOTE_OFF, NOTE_ON, CONTROL_CHANGE, PROGRAM_CHANGE, PITCH_BEND = 0x80, 0x90, 0xB0, 0xC0, 0xE0
"""Statuses of channel messages; the low four bits are the channel."""

SYSEX, SYSEX_PACKET, META = 0xF0, 0xF7, 0xFF

SYSTEM_DATA_BYTES = {0xF1: 1, 0xF2: 2, 0xF3: 1, 0xF6: 0, 0xF8: 0, 0xFA: 0, 0xFB: 0, 0xFC: 0, 0xFE: 0}
"""Number of data bytes of system common and real-time messages, which are for cables and not for files, but stand in
some. The statuses missing here are undefined (MIDI 1.0)."""

SET_TEMPO, END_OF_TRACK = 0x51, 0x2F
"""Numbers of meta events."""

MAX_DELTA = 0x0FFFFFFF
"""Longest delta time in ticks, which takes four bytes (Standard MIDI Files 1.0)."""

MAX_WINDOW, MIN_WINDOW = 1 << 18, 1 << 9
"""Most and fewest bytes among which plain events in a row are looked for: few after a short row, many after a long
one."""

MAX_PATIENCE = 128
"""Most plain events parsed one by one before a row of them is looked for: one after a long row, this many after short
ones. So neither MAESTRO nor a file of alternating kinds of events takes long."""

_PLAIN = frozenset([*range(NOTE_OFF, PROGRAM_CHANGE), *range(PITCH_BEND, SYSEX)])
"""Statuses of plain events."""

_HIGH_BYTES = bytes(range(128, 256))


@dataclass(frozen=True)
class Events:
    """Events in the order of the file.

    Attributes:
        tick: time from the beginning of the track in ticks, int64, shape (events,).
        status: of an event without a status byte, the running status; uint8, shape (events,).
        data1: first data byte of a channel message, number of a meta event, else 0; up to 127, uint8, shape (events,).
        data2: second data byte of a channel message, else 0; up to 127, uint8, shape (events,).
        meta: for the row of each meta event, the index of the first byte of its length in the file, and the index after
            the last byte of its data.
    """

    tick: np.ndarray
    status: np.ndarray
    data1: np.ndarray
    data2: np.ndarray
    meta: dict[int, tuple[int, int]]


def parse_events(data: bytes, begin: int, end: int) -> Events:
    """Parse the events of a track, up to and with the first end-of-track event.

    A running status stays in effect across meta events and system messages. A data byte above 127 is read as 127.

    Args:
        data: the bytes of a file.
        begin: index of the first byte of the track's events.
        end: index after the last byte of the chunk, where the events end at the latest.

    Returns:
        The events, that of the end of the track included.

    Raises:
        MidiError: an event is cut off, has an undefined status or none, or a number of more than four bytes.
    """
    parts = [_to_columns([])]
    meta: dict[int, tuple[int, int]] = {}
    count, position, running, window, patience = 0, begin, 0, MAX_WINDOW, 1
    while position < end:
        rows, position, running = _parse_one_by_one(data, position, end, running, patience)
        meta |= {count + number: (row.begin + 2, row.end) for number, row in enumerate(rows) if row.status == META}
        parts.append(_to_columns(rows))
        if (rows[-1].status, rows[-1].data1) == (META, END_OF_TRACK):
            break
        columns, consumed = _parse_plain(data, position, min(end, position + window), running)
        parts.append(columns)
        plain = len(columns[0])
        count += len(rows) + plain
        position += consumed
        running = int(columns[1][-1]) if plain else running
        window = min(MAX_WINDOW, 8 * window if consumed > window // 2 else max(MIN_WINDOW, 2 * consumed))
        patience = 1 if plain >= MAX_PATIENCE else min(2 * patience, MAX_PATIENCE)
    delta, status, data1, data2 = (np.concatenate(values) for values in zip(*parts, strict=True))
    return Events(np.cumsum(delta), status, data1, data2, meta)


def split_events(data: bytes, begin: int, end: int) -> list[bytes]:
    """Return the bytes of each event that `parse_events` finds.

    Args:
        data: the bytes of a file.
        begin: index of the first byte of the track's events.
        end: index after the last byte of the chunk.

    Returns:
        For each event its bytes without the delta time, and without a status byte where it has a running status.

    Raises:
        MidiError: see `parse_events`.
    """
    rows, _, _ = _parse_one_by_one(data, begin, end, 0, end)
    return [data[row.begin : row.end] for row in rows]


def parse_number(data: bytes, begin: int, end: int) -> tuple[int, int]:
    """Parse a variable-length number: seven bits a byte, the highest bit set in all bytes but the last.

    Args:
        data: the bytes of a file.
        begin: index of the first byte of the number.
        end: index after the last byte of the track.

    Returns:
        The number, and the index after its last byte.

    Raises:
        MidiError: the number is cut off, or has more than four bytes.
    """
    number = 0
    for position in range(begin, min(begin + 4, end)):
        number = number << 7 | data[position] & 127
        if data[position] < 128:
            return number, position + 1
    if begin + 4 > end:
        raise MidiError(f"ends within an event, at byte {end}")
    raise MidiError(f"has a delta time or length of more than four bytes at byte {begin}")


def encode_events(messages: Iterable[tuple[int, int, bytes]]) -> bytes:
    """Encode the events of a track, with an end-of-track event after them if they have none.

    Args:
        messages: for each event in order of time its tick, its status, and its bytes. These may be without the status
            byte of a channel message, which is then left out where running status permits.

    Returns:
        The bytes of a track chunk, with its header.

    Raises:
        MidiError: a delta time is longer than a file can hold.
    """
    body = bytearray()
    previous_tick, running, message = 0, 0, b""
    for tick, status, message in messages:
        body += _encode_delta(tick - previous_tick)
        if message[0] < 128 and status != running:
            body.append(status)
        body += message
        previous_tick, running = tick, status if status < SYSEX else 0
    if message[:2] != bytes([META, END_OF_TRACK]):
        body += bytes([0, META, END_OF_TRACK, 0])
    return b"MTrk" + len(body).to_bytes(4, "big") + body


def _encode_delta(delta: int) -> bytes:
    if delta > MAX_DELTA:
        raise MidiError(f"a rest of {delta} ticks is longer than a MIDI file can hold")
    groups = [delta & 127]
    while delta := delta >> 7:
        groups.append(delta & 127 | 128)
    return bytes(reversed(groups))


class _Row(NamedTuple):
    """One event: the attributes of `Events`, but with a delta time in place of the tick, and where it stands.

    Attributes:
        begin: index of the first byte after its delta time.
        end: index after its last byte.
    """

    delta: int
    status: int
    data1: int
    data2: int
    begin: int
    end: int


_Columns = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Delta times, statuses, first and second data bytes."""


def _to_columns(rows: Sequence[_Row]) -> _Columns:
    delta, status, data1, data2, _, _ = np.array(rows, np.int64).reshape(-1, 6).T
    return delta, status.astype(np.uint8), data1.astype(np.uint8), data2.astype(np.uint8)


def _parse_plain(data: bytes, begin: int, end: int, running: int) -> tuple[_Columns, int]:
    """Parse the plain events in a row that come first, of which there may be none.

    Args:
        data: the bytes of a file.
        begin: index of the first byte to look at, that of a delta time.
        end: index after the last byte to look at.
        running: the running status.

    Returns:
        The events, and the number of bytes that they take.
    """
    window = np.frombuffer(data, np.uint8, end - begin, begin)
    low = np.frombuffer(data[begin:end].translate(None, _HIGH_BYTES), np.uint8)
    high = np.flatnonzero(window > 127)
    value, lows_before = window[high], high - np.arange(len(high))
    event = lows_before // 3
    place = lows_before - 3 * event
    is_status = place == 1
    is_plain = (value < PROGRAM_CHANGE) | (value & 0xF0 == PITCH_BEND)
    is_valid = (place == 0) | (is_status & is_plain)
    is_valid[1:] &= ~is_status[1:] | (lows_before[1:] > lows_before[:-1])  # one status an event
    is_valid[3:] &= lows_before[3:] > lows_before[:-3]  # at most four bytes a delta time
    count = len(low) // 3 if is_valid.all() else min(len(low) // 3, int(event[np.argmin(is_valid)]))
    if running not in _PLAIN and not (is_status & (event == 0)).any():
        count = 0

    used = int(np.searchsorted(event, count))
    event, value, is_status = event[:used], value[:used], is_status[:used]
    low = low[: 3 * count].reshape(-1, 3)
    status_event, status = event[is_status], np.append(np.uint8(running), value[is_status])
    status = np.repeat(status, np.diff(status_event, prepend=0, append=count))
    delta_event, groups = event[~is_status], value[~is_status].astype(np.int64) & 127
    # A byte of a delta time counts 128 times as much for each byte that follows it in the same delta time.
    padded = np.append(delta_event, [-1, -1])
    following = 1 + (padded[1:-1] == delta_event) + (padded[2:] == delta_event)
    delta = low[:, 0].astype(np.int64)
    np.add.at(delta, delta_event, groups << 7 * following)
    return (delta, status, low[:, 1], low[:, 2]), 3 * count + used


def _parse_one_by_one(data: bytes, position: int, end: int, running: int, patience: int) -> tuple[list[_Row], int, int]:
    """Parse events up to and with the end of the track, or the last of `patience` plain ones in a row.

    Returns:
        The events, at least one, the index after their last byte, and the running status.
    """
    rows: list[_Row] = []
    plain_in_a_row, has_ended = 0, False
    while position < end and plain_in_a_row < patience and not has_ended:
        delta, begin = parse_number(data, position, end)
        if begin == end:
            raise MidiError(f"ends within an event, at byte {end}")
        status = data[begin] if data[begin] > 127 else running
        after_status = begin + (data[begin] > 127)
        data1, data2, position = _parse_message(data, after_status, end, status)
        if position > end:
            raise MidiError(f"ends within an event, at byte {end}")
        if status < SYSEX:
            running = status
        plain_in_a_row = plain_in_a_row + 1 if status in _PLAIN else 0
        has_ended = status == META and data1 == END_OF_TRACK
        rows.append(_Row(delta, status, data1, data2, begin, position))
    return rows, position, running


def _parse_message(data: bytes, position: int, end: int, status: int) -> tuple[int, int, int]:
    """Parse what follows the status of a message.

    Args:
        data: the bytes of a file.
        position: index of the first byte after the status.
        end: index after the last byte of the track.
        status: the status.

    Returns:
        data1 and data2 of `Events`, and the index after the last byte of the message.
    """
    if status < NOTE_OFF:
        raise MidiError(f"has a data byte without a status at byte {position}")
    if status < SYSEX:
        size = 1 if PROGRAM_CHANGE <= status < PITCH_BEND else 2
        data1, data2 = (min(127, value) for value in (data[position : position + size] + b"\0\0")[:2])
        return data1, data2, position + size
    if status == META:
        number = data[position] if position < end else 0
        length, position = parse_number(data, position + 1, end)
        return min(127, number), 0, position + length
    if status in (SYSEX, SYSEX_PACKET):
        length, position = parse_number(data, position, end)
        return 0, 0, position + length
    if status in SYSTEM_DATA_BYTES:
        return 0, 0, position + SYSTEM_DATA_BYTES[status]
    raise MidiError(f"has the undefined status 0x{status:X} at byte {position - 1}")
