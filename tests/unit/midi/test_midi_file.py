"""Header, chunks and tempo changes of a file; and the reasons why one cannot be read, as reports list them."""

import numpy as np
import pytest

from stages.midi.midi_file import MAX_BYTES, parse_midi
from stages.midi.midi_io import read_midi
from stages.midi.tempo_map import MidiError
from tests.helpers import midi_bytes
from tests.helpers.midi_bytes import note_off, note_on

NOTES = [(0, note_on(60)), (500, note_off(60))]
FILE = midi_bytes.file(NOTES)


def with_header(fields: bytes) -> bytes:
    """Return a file with these fields in its header."""
    return b"MThd" + len(fields).to_bytes(4, "big") + fields + FILE[14:]


def test_longer_header_and_foreign_chunks_are_legal():
    expected = read_midi(FILE)
    foreign = b"XFKM\0\0\0\7MTrk\0\0\0"
    for data in (
        with_header(FILE[8:14] + b"\1\2\3"),
        FILE[:14] + foreign + FILE[14:] + foreign,
        FILE + b"trailing bytes",
        FILE + midi_bytes.track([(0, note_on(70)), (9, note_off(70))]),  # beyond the number of tracks
    ):
        assert read_midi(data).equals(expected)


def test_tracks_are_where_their_chunks_are():
    data = midi_bytes.file(NOTES, [(3, note_on(61)), (4, note_off(61))])
    file = parse_midi(data)
    assert (file.ticks_per_quarter, file.data) == (500, data)
    assert [data[track.begin : track.begin + 4] for track in file.tracks] == [b"MTrk", b"MTrk"]
    assert [track.end for track in file.tracks] == [file.tracks[1].begin, len(data)]
    assert [track.events.tick.tolist() for track in file.tracks] == [[0, 500, 500], [3, 4, 4]]


def test_tempo_map_of_a_higher_resolution_has_the_same_times():
    changes = [(400, midi_bytes.tempo(700_000)), (10, midi_bytes.tempo(300_000)), (400, midi_bytes.tempo(900_000))]
    file = parse_midi(midi_bytes.file(changes[:1], changes[1:]))
    ticks = np.array([0, 5, 10, 300, 400, 401, 9999])
    expected = [tick / 1e3 for tick in (0, 5, 10)] + [0.01 + 0.0006 * 290] + [0.244 + 0.0018 * n for n in (0, 1, 9599)]
    assert file.tempo_map().ticks_to_seconds(ticks).tolist() == pytest.approx(expected, rel=1e-12)
    assert file.tempo_map(7).ticks_to_seconds(7 * ticks).tolist() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"RIFF....RMID", "not a MIDI file: does not begin with a MIDI header"),
        (FILE[:9], "damaged: ends within its header"),
        (with_header(b"\0\1\0\1"), "has a header of 4 bytes; a MIDI header has at least 6"),
        (with_header(b"\0\3\0\1\1\xf4"), "has format 3; MIDI files have format 0, 1 or 2"),
        (with_header(b"\0\1\0\1\0\0"), "has no ticks: 0 per quarter note"),
        (with_header(b"\0\1\0\1\xe7\x28"), "counts time in SMPTE frames, not in ticks per quarter note"),
        (with_header(b"\0\1\0\0\1\xf4"), "has no tracks"),
        (with_header(b"\0\1\0\2\1\xf4"), "damaged: ends before the last of its 2 tracks does"),
        (FILE[:-5], "damaged: ends before the last of its 1 tracks does"),
        (midi_bytes.file([*NOTES, (600, b"\xf5")]), "damaged: track 1 has the undefined status 0xF5 at byte 32"),
        (midi_bytes.file(NOTES, [(0, b"\x3c\x40")]), "damaged: track 2 has a data byte without a status at byte 44"),
        (FILE[:21] + b"\6" + FILE[22:28], "damaged: track 1 ends within an event, at byte 28"),
        (midi_bytes.file([(0, midi_bytes.tempo(0)), *NOTES]), "has a tempo of 0 microseconds a quarter note"),
        (midi_bytes.file([(0, note_off(60))]), "has no notes"),
        (midi_bytes.file([(0, note_on(36, channel=9)), (5, note_off(36, 9))]), "has notes only on the drum channel"),
        (midi_bytes.file([(0, note_on(60)), (5, note_on(61))]), "has no note that ends"),
        (midi_bytes.file([(0, note_on(60)), (0, note_off(60))]), "has no note that ends"),
        (
            midi_bytes.file([(0, note_on(60)), (5, note_on(61)), (7, note_on(36, channel=9)), (9, note_off(36, 9))]),
            "has no note outside the drum channel that ends",
        ),
        (b"MThd" + bytes(MAX_BYTES), "is longer than 32 MB, so it is regarded as damaged"),
    ],
)
def test_reason_why_a_file_cannot_be_read(data, reason):
    with pytest.raises(MidiError) as caught:
        read_midi(data)
    assert str(caught.value) == reason
