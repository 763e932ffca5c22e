"""Parsing and encoding of events, held against mido and against parsing event by event."""

import io

import mido
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.midi import midi_events
from stages.midi.midi_events import MAX_DELTA, encode_events, parse_events, parse_number, split_events
from stages.midi.tempo_map import MidiError
from tests.helpers import midi_bytes

DATA = st.integers(0, 127)
CHANNEL = st.integers(0, 15)
PAYLOAD = st.sampled_from([b"", b"\xf7", b"abc\x00", bytes(range(256)), b"MTrk\x90\xff\x2f"])
DELTA = st.one_of(st.integers(0, 3), st.integers(0, 300), st.sampled_from([16383, 16384, 2_097_152, MAX_DELTA]))


def with_length(payload: bytes) -> bytes:
    return midi_bytes.variable_length(len(payload)) + payload


def message_of_two_bytes(kind: int, channel: int, data1: int, data2: int) -> bytes:
    return bytes([kind | channel, data1, data2])


PLAIN = st.builds(message_of_two_bytes, st.sampled_from([0x80, 0x90, 0xA0, 0xB0, 0xE0]), CHANNEL, DATA, DATA)
MESSAGES = st.one_of(
    PLAIN,
    PLAIN,
    PLAIN,
    st.builds(lambda kind, channel, data: bytes([kind | channel, data]), st.sampled_from([0xC0, 0xD0]), CHANNEL, DATA),
    st.builds(lambda number, text: bytes([0xFF, number]) + with_length(text), st.integers(0x60, 0x7E), PAYLOAD),
    st.builds(lambda status, text: bytes([status]) + with_length(text), st.sampled_from([0xF0, 0xF7]), PAYLOAD),
)
TRACKS = st.lists(st.tuples(DELTA, MESSAGES, st.booleans()), max_size=25)


def encode(track: list[tuple[int, bytes, bool]]) -> tuple[bytes, list[tuple[int, bytes]]]:
    """Return the body of a track, and the tick and the whole message of each event.

    Args:
        track: of each event its delta time, message, and whether it leaves out its status byte where it can.
    """
    body, expected, tick, running = b"", [], 0, 0
    for delta, message, may_run in track:
        tick += delta
        expected.append((tick, message))
        body += midi_bytes.variable_length(delta) + message[may_run and message[0] == running :]
        running = message[0] if message[0] < 0xF0 else running if may_run else 0
    return body, expected


@pytest.fixture
def small_windows(monkeypatch):
    """Make many short rows of plain events of a short track."""
    monkeypatch.setattr(midi_events, "MAX_WINDOW", 64)
    monkeypatch.setattr(midi_events, "MIN_WINDOW", 8)
    monkeypatch.setattr(midi_events, "MAX_PATIENCE", 4)


def parse_one_by_one(data: bytes) -> list[np.ndarray]:
    rows, _, _ = midi_events._parse_one_by_one(data, 0, len(data), 0, len(data) + 1)
    delta, *columns = midi_events._to_columns(rows)
    return [np.cumsum(delta), *columns]


def columns_of(events: midi_events.Events) -> list[np.ndarray]:
    return [events.tick, events.status, events.data1, events.data2]


def reencode(body: bytes) -> bytes:
    """Parse the events of a track and encode them again."""
    events = parse_events(body, 0, len(body))
    messages = split_events(body, 0, len(body))
    return encode_events(zip(events.tick.tolist(), events.status.tolist(), messages, strict=True))


@pytest.mark.parametrize("windows", ["large", "small"])
def test_every_event_is_found_at_its_time(windows, request):
    if windows == "small":
        request.getfixturevalue("small_windows")

    @settings(max_examples=50)
    @given(TRACKS)
    def check(track):
        body, expected = encode(track)
        events = parse_events(b"before" + body, 6, 6 + len(body))
        assert events.tick.tolist() == [tick for tick, _ in expected]
        assert events.status.tolist() == [message[0] for _, message in expected]
        found = split_events(b"before" + body, 6, 6 + len(body))
        for row, (_, message) in enumerate(expected):
            assert message in (found[row], message[:1] + found[row])
            if message[0] < 0xF0:
                assert [events.data1[row], events.data2[row]] == [*message[1:], 0][:2]

    check()


@settings(max_examples=150)
@given(st.data())
def test_rows_of_plain_events_are_parsed_as_one_by_one(data):
    """Also where bytes are random: the same events, or an error of the same text."""
    body, _ = encode(data.draw(TRACKS))
    noise = st.one_of(st.sampled_from([0x80, 0x90, 0xC0, 0xF0, 0xF7, 0xFF, 0x2F, 0]), st.integers(0, 255))
    changes = data.draw(st.lists(st.tuples(st.integers(0, max(0, len(body) - 1)), noise), max_size=6))
    damaged = bytearray(body or b"\0")
    for position, value in changes:
        damaged[position] = value
    results = []
    for parse in (parse_one_by_one, lambda content: columns_of(parse_events(content, 0, len(content)))):
        try:
            results.append([column.tolist() for column in parse(bytes(damaged))])
        except MidiError as error:
            results.append(str(error))
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("00903c40 00919240 00803c40", [(0x90, 60, 64), (0x91, 127, 64), (0x80, 60, 64)]),
        ("00903c40 00913c92 00803c40", [(0x90, 60, 64), (0x91, 60, 127), (0x80, 60, 64)]),
        ("00903c40 003cc0 00803c40", [(0x90, 60, 64), (0x90, 60, 127), (0x80, 60, 64)]),
        ("00903c40 00c5f7 00803c40", [(0x90, 60, 64), (0xC5, 127, 0), (0x80, 60, 64)]),
    ],
)
def test_data_byte_above_127_is_read_as_127(body, expected):
    events = parse_events(bytes.fromhex(body), 0, len(bytes.fromhex(body)))
    assert list(zip(*(column.tolist() for column in columns_of(events)[1:]), strict=True)) == expected


@settings(max_examples=50)
@given(st.lists(st.tuples(DELTA, PLAIN, st.booleans()), max_size=25), st.binary(max_size=9))
def test_events_are_those_of_mido(track, text):
    """Of kinds that mido can read: not F7 packets, nor meta events that it does not know."""
    text = bytes([0xFF, 1, len(text)]) + text
    body, _ = encode([(1, text, False), *track, (3, bytes([0xC5, 7]), False), (0, bytes([0xC5, 8]), True)])
    body += b"\x05\xff\x2f\x00"
    events = parse_events(body, 0, len(body))
    file = b"MThd\0\0\0\6\0\0\0\1\1\xe0MTrk" + len(body).to_bytes(4, "big") + body
    messages = mido.MidiFile(file=io.BytesIO(file)).tracks[0]
    assert np.diff(events.tick, prepend=0).tolist() == [message.time for message in messages]
    for row, message in enumerate(messages):
        if not message.is_meta:
            assert bytes([events.status[row], events.data1[row], events.data2[row]]).startswith(bytes(message.bytes()))


@settings(max_examples=50)
@given(TRACKS)
def test_encoded_events_are_parsed_again(track):
    body, expected = encode(track)
    chunk = reencode(body)
    assert chunk[:4] == b"MTrk" and int.from_bytes(chunk[4:8], "big") == len(chunk) - 8
    again = parse_events(chunk, 8, len(chunk))
    assert again.tick.tolist() == [tick for tick, _ in expected] + [max(0, *(tick for tick, _ in expected), 0)]
    assert again.status.tolist() == [*(message[0] for _, message in expected), 0xFF]
    *messages, end = split_events(chunk, 8, len(chunk))
    assert end == b"\xff\x2f\x00"
    assert all(message.endswith(found) for (_, message), found in zip(expected, messages, strict=True))


def test_running_status_lasts_across_meta_events_and_system_messages():
    body = bytes.fromhex("00903c40 00f0024243 103c00 00ff0100 003e40 00f8 103e00")
    events = parse_events(body, 0, len(body))
    assert events.status.tolist() == [0x90, 0xF0, 0x90, 0xFF, 0x90, 0xF8, 0x90]
    assert events.tick.tolist() == [0, 0, 16, 16, 16, 16, 32]
    # The encoded track has the status byte again, as other programs need it.
    assert reencode(body)[8:].hex(" ", 1) == (
        "00 90 3c 40 00 f0 02 42 43 10 90 3c 00 00 ff 01 00 00 90 3e 40 00 f8 10 90 3e 00 00 ff 2f 00"
    )


def test_events_after_the_end_of_a_track_are_no_part_of_it():
    body = bytes.fromhex("00903c40 10803c40 00ff2f00 00903e40 10803e40 00ff2f00")
    events = parse_events(body, 0, len(body))
    assert events.data1.tolist() == [0x3C, 0x3C, 0x2F]
    assert split_events(body, 0, len(body))[-1] == b"\xff\x2f\x00"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("003c40", "has a data byte without a status at byte 1"),
        ("00903c", "ends within an event, at byte 3"),
        ("00903c40 10", "ends within an event, at byte 5"),
        ("00903c40 90", "ends within an event, at byte 5"),
        ("00ff0105 41", "ends within an event, at byte 5"),
        ("00f7", "ends within an event, at byte 2"),
        ("00f4", "has the undefined status 0xF4 at byte 1"),
        ("00903c40 00fd", "has the undefined status 0xFD at byte 5"),
        ("8080808000 903c40", "has a delta time or length of more than four bytes at byte 0"),
        ("00903c40 8080808000 903c40", "has a delta time or length of more than four bytes at byte 4"),
    ],
)
def test_damaged_track_raises_midi_error_with_the_place(body, message):
    data = bytes.fromhex(body)
    with pytest.raises(MidiError) as caught:
        parse_events(data, 0, len(data))
    assert str(caught.value) == message


def test_longest_delta_time_is_encoded_and_no_longer_one():
    message = bytes([0x90, 60, 64])
    chunk = encode_events([(MAX_DELTA, 0x90, message)])
    assert parse_number(chunk, 8, len(chunk)) == (MAX_DELTA, 12)
    with pytest.raises(MidiError, match="a rest of 268435456 ticks is longer than a MIDI file can hold"):
        encode_events([(MAX_DELTA + 1, 0x90, message)])
