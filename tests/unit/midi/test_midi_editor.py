"""Editing of existing MIDI files: whatever was not edited is read as before, in files of all kinds."""

import io

import mido
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.midi import midi_io, tempo_map
from stages.midi.midi_editor import MidiEditor
from stages.midi.midi_file import parse_midi
from stages.midi.midi_notes import pair_notes
from tests.helpers import midi_bytes
from tests.unit.midi.test_midi_io_fuzz import make_input, real_files

REAL_FILES = real_files()
COLUMNS = ["start", "key_duration", "pitch", "velocity"]


def note_events(*notes, channel=0):
    """Return the events of notes, given as (onset tick, offset tick, pitch)."""
    return [
        event
        for onset, offset, pitch in notes
        for event in (
            (onset, midi_bytes.note_on(pitch, 64, channel)),
            (offset, midi_bytes.note_off(pitch, channel)),
        )
    ]


def meta(number: int, data: bytes = b"") -> bytes:
    """Return a meta event."""
    return bytes([0xFF, number, len(data)]) + data


MELODY = note_events((0, 400, 60), (500, 900, 64), (1500, 1700, 67), (1900, 2000, 60))

ODD_EVENTS = {
    "program name": meta(0x08, b"Grand"),
    "device name": meta(0x09, b"Port 1"),
    "meta event of an unknown number": meta(0x6E, b"\xf7\x90"),
    "long text": b"\xff\x01\x81\x00" + bytes(range(128)),
    "key signature with nine flats": meta(0x59, b"\xf7\x00"),
    "key signature of mode 7": meta(0x59, b"\x00\x07"),
    "empty key signature": meta(0x59),
    "short tempo": meta(0x51, b"\x07\xa1"),
    "long tempo": meta(0x51, b"\x07\xa1\x20\x00\x00"),
    "short time signature": meta(0x58, b"\x04"),
    "short SMPTE offset": meta(0x54, b"\x60"),
    "empty channel prefix": meta(0x20),
    "empty sequence number": meta(0x00),
    "empty port": meta(0x21),
    "escape": b"\xf7\x01\xf8",
    "system exclusive message in two packets": b"\xf0\x03\x43\x12\x00\x05\xf7\x04\x43\x12\x0b\xf7",
    "system exclusive message without an end": b"\xf0\x02\x43\x12",
    "program change": b"\xc0\x07",
    "channel pressure": b"\xd0\x07",
    "pitch bend": b"\xe0\x00\x40",
    "system real-time messages": b"\xf8\x01\xfa\x00\xfe\x02\xf6",
}

ALL_ODD_EVENTS = midi_bytes.file(
    sorted([*MELODY, *((100 + 70 * place, event) for place, event in enumerate(ODD_EVENTS.values()))]),
    [(0, meta(0x03, b"\xff\xfe")), *note_events((0, 2100, 40), channel=3)],
)


def with_chunks(data: bytes) -> bytes:
    """Return a file with a longer header, and foreign chunks before, between and after its tracks."""
    first, *others = data[14:].split(b"MTrk")[1:]
    foreign = b"XFIH\0\0\0\5MTrk\0"
    header = b"MThd\0\0\0\x08" + data[8:14] + b"\1\2"
    return header + foreign.join([b"", b"MTrk" + first, *(b"MTrk" + track for track in others), b"tail"])


def one_track(body: str, division: int = 480) -> bytes:
    """Return a file of one track with these bytes, in hexadecimal."""
    return midi_bytes.file(division=division)[:10] + b"\0\1" + division.to_bytes(2, "big") + chunk(bytes.fromhex(body))


def chunk(body: bytes) -> bytes:
    """Return a track chunk."""
    return b"MTrk" + len(body).to_bytes(4, "big") + body


FILES = {
    "events of other programs": ALL_ODD_EVENTS,
    "foreign chunks": with_chunks(ALL_ODD_EVENTS),
    "more tracks than the header says": midi_bytes.file(MELODY) + midi_bytes.track(note_events((0, 9000, 50))),
    "format 0": midi_bytes.file(note_events((0, 400, 60), (500, 900, 64), (1500, 1700, 67)), kind=0),
    "format 2": midi_bytes.file(note_events((0, 400, 60), (500, 900, 64)), note_events((1500, 1700, 67)), kind=2),
    "several tracks and channels": midi_bytes.file(
        [(0, midi_bytes.tempo(400_000)), (800, midi_bytes.tempo(600_000))],
        note_events((0, 700, 60), (900, 1400, 60)),
        note_events((100, 1300, 40), channel=3) + note_events((0, 50, 35), channel=9),
    ),
    "96 ticks and a slow tempo": midi_bytes.file(
        [(0, midi_bytes.tempo(1_500_000)), *note_events((10, 90, 60), (96, 190, 62), (200, 260, 60))], division=96
    ),
    "system real-time messages": midi_bytes.file(
        [(tick, bytes(message)) for tick, message in enumerate(([0xF8], [0xFA], [0xFE], [0xF6], [0xF3, 1]), start=100)]
        + note_events((0, 400, 60), (500, 900, 64))
    ),
    "pedal and overlapping notes of one pitch": midi_bytes.file(
        [
            *note_events((10, 350, 60), (300, 380, 60), (700, 710, 72), (1000, 1100, 60)),
            *[(0, midi_bytes.pedal(127)), (900, midi_bytes.pedal(0))],
        ]
    ),
}


def written(editor, tmp_path):
    """Write the edited file, and return its bytes."""
    editor.write(tmp_path / "out.mid")
    return (tmp_path / "out.mid").read_bytes()


@pytest.mark.parametrize("name", FILES)
def test_unedited_file_reads_as_before(tmp_path, name):
    again = midi_io.read_midi(written(MidiEditor(FILES[name]), tmp_path))
    pd.testing.assert_frame_equal(again, midi_io.read_midi(FILES[name]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("start, end", [(0.3, 0.95), (0, 0.3), (0.45, 0.5), (5, 6)])
def test_remove_removes_only_notes_with_onset_in_region(tmp_path, name, start, end):
    before = midi_io.read_midi(FILES[name])
    inside = (before["start"] >= start) & (before["start"] < end)
    editor = MidiEditor(FILES[name])
    assert editor.remove(start, end) == inside.sum()
    if inside.all():
        return
    after = midi_io.read_midi(written(editor, tmp_path))
    pd.testing.assert_frame_equal(
        after[COLUMNS], before.loc[~inside, COLUMNS].reset_index(drop=True), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("name", FILES)
def test_add_adds_the_notes_and_keeps_the_others(tmp_path, name):
    before = midi_io.read_midi(FILES[name])
    new = pd.DataFrame({"start": [0.2, 0.25, 0.4, 2.0], "sounding_duration": [0.5, 0.1, 0.3, 9.0]})
    new = new.assign(pitch=[90, 91, 90, 100], velocity=[1, 64, 100, 127])
    editor = MidiEditor(FILES[name])
    editor.add(new, "new")
    after = midi_io.read_midi(written(editor, tmp_path))
    is_added = after["pitch"] >= 90
    pd.testing.assert_frame_equal(
        after.loc[~is_added, COLUMNS].reset_index(drop=True), before[COLUMNS], rtol=0, atol=1e-12
    )
    added = after[is_added]
    assert added["pitch"].tolist() == [90, 91, 90, 100] and added["velocity"].tolist() == [1, 64, 100, 127]
    np.testing.assert_allclose(added["start"], new["start"], atol=0.0011)
    # The first note ends at the next onset of its pitch.
    np.testing.assert_allclose(added["key_duration"], [0.2, 0.1, 0.3, 9.0], atol=0.0021)


def test_added_notes_have_an_unused_channel(tmp_path):
    editor = MidiEditor(FILES["several tracks and channels"])
    editor.add(pd.DataFrame({"start": [0.1], "sounding_duration": [1.0], "pitch": [50], "velocity": [64]}), "new")
    track = mido.MidiFile(file=io.BytesIO(written(editor, tmp_path))).tracks[-1]
    assert {message.channel for message in track if message.type == "note_on"} == {1}  # 0, 3 and 9 are in use
    assert track.name == "new"


@pytest.mark.parametrize("name", ODD_EVENTS)
def test_event_of_another_program_stays_where_it_is_with_its_bytes(name):
    notes = note_events((0, 400, 60), (500, 900, 64))
    data = midi_bytes.file([*notes[:3], (700, ODD_EVENTS[name]), notes[3]])
    assert MidiEditor(data).encode() == data


@pytest.mark.parametrize(
    "data", [ALL_ODD_EVENTS, with_chunks(ALL_ODD_EVENTS), FILES["more tracks than the header says"]]
)
def test_whatever_is_not_edited_stays_byte_for_byte(data):
    assert MidiEditor(data).encode() == data
    editor = MidiEditor(data)
    editor.add(NEW, "new")
    edited = editor.encode()
    # The new track stands after the last one that counts, and the header counts one more.
    count = int.from_bytes(data[10:12], "big")
    end = parse_midi(data).tracks[-1].end
    assert edited[:10] + edited[12:end] == data[:10] + data[12:end]
    assert int.from_bytes(edited[10:12], "big") == count + 1
    assert edited[end : end + 4] == b"MTrk" and edited.endswith(data[end:])


def test_running_status_stays_too():
    data = one_track("00903c40 603c00 003e40 60c005 003e40 60903e00 00ff2f00")
    assert MidiEditor(data).encode() == data


def test_notes_after_the_end_of_their_track_are_left_out():
    """Some programs would play them over the new notes."""
    data = one_track("00903c40 60803c40 00ff2f00 60903e40 8360803e40 00ff2f00")
    editor = MidiEditor(data)
    assert editor.encode() == one_track("00903c40 60803c40 00ff2f00")
    editor.add(NEW, "new")
    assert notes_of_synthesizer(editor.encode())[0] == (0, 60, 0, 96, 64)


def test_track_without_an_end_gets_one():
    assert MidiEditor(one_track("00903c40 60803c40")).encode() == one_track("00903c40 60803c40 00ff2f00")


def test_the_longest_rest_is_not_made_longer():
    """At 96 ticks a quarter the resolution would be raised, and the time before the end need five bytes."""
    data = one_track("00903c40 60803c40 ffffff7fff2f00", division=96)
    editor = MidiEditor(data)
    editor.add(NEW, "new")
    assert editor.encode().startswith(data[:10])
    assert data[14:] in editor.encode()


def test_a_very_fast_tempo_beside_a_slow_one_can_be_edited():
    tempi = [(0, midi_bytes.tempo(2**24 - 1)), (10, midi_bytes.tempo(1)), (20, midi_bytes.tempo(500_000))]
    editor = MidiEditor(midi_bytes.file([*tempi, *MELODY], division=1))
    editor.add(NEW.assign(start=NEW["start"] + 2000), "new")
    assert len(notes_of_synthesizer(editor.encode())) == 4 + len(NEW)


def test_a_track_without_events_stays():
    data = midi_bytes.file(MELODY, [])[:-4].replace(b"\0\0\0\4", b"\0\0\0\0")
    editor = MidiEditor(data)
    editor.add(NEW, "new")
    assert b"MTrk\0\0\0\4\0\xff\x2f\0MTrk" in editor.encode()


NEW = pd.DataFrame({"start": [3.0, 3.1, 3.5, 4.0], "sounding_duration": [0.4, 0.1, 0.3, 0.2]}).assign(
    pitch=[60, 64, 60, 40], velocity=[80, 81, 82, 83]
)


def notes_of_synthesizer(data):
    """Play a file as a synthesizer does, which gets all tracks merged.

    Returns:
        Channel, pitch, onset, the tick at which it is damped, and velocity of each note, in order of onset.
    """
    file = mido.MidiFile(file=io.BytesIO(data), clip=True)
    tick, played, pedal_down = 0, [], set()
    for message in mido.merge_tracks(file.tracks):
        tick += message.time
        if message.is_cc(64):
            (pedal_down.add if message.value >= 64 else pedal_down.discard)(message.channel)
        elif message.type == "note_on" and message.velocity:
            played.append({"key": (message.channel, message.note), "on": tick, "velocity": message.velocity})
        elif message.type in ("note_on", "note_off"):
            for note in played:
                if note["key"] == (message.channel, message.note):
                    note.setdefault("off", tick)
        for note in played:
            if "off" in note and note["key"][0] not in pedal_down:
                note.setdefault("damped", tick)
    return [(*note["key"], note["on"], note.get("damped"), note["velocity"]) for note in played]


def all_channels_in_use(pedal_everywhere):
    """Return a file with messages on all 16 channels, as some instruments send them, but notes on the first alone."""
    setup = [(0, bytes([0xC0 | channel, 3])) for channel in range(16)]
    setup += [(0, midi_bytes.control(7, 100, channel)) for channel in range(16)]
    pedals = [(tick, value) for tick, value in ((50, 127), (1800, 0), (1900, 100), (3200, 0), (3250, 90), (9000, 0))]
    channels = range(16) if pedal_everywhere else [0]
    return midi_bytes.file(
        setup + [(tick, midi_bytes.pedal(value, channel)) for tick, value in pedals for channel in channels],
        note_events((0, 400, 60), (500, 3300, 64), (1500, 3050, 60)),
    )


@pytest.mark.parametrize("pedal_everywhere", [False, True])
def test_new_notes_get_a_channel_without_notes_and_without_its_pedal(pedal_everywhere):
    data = all_channels_in_use(pedal_everywhere)
    editor = MidiEditor(data)
    editor.add(NEW, "new")
    played = notes_of_synthesizer(editor.encode())
    assert [note for note in played if note[0] == 0] == notes_of_synthesizer(data)
    assert [note for note in played if note[0]] == [
        (1, 60, 3000, 3400, 80),
        (1, 64, 3100, 3200, 81),
        (1, 60, 3500, 3800, 82),
        (1, 40, 4000, 4200, 83),
    ]
    track = mido.MidiFile(file=io.BytesIO(editor.encode())).tracks[-1]
    programs = [(message.channel, message.program) for message in track if message.type == "program_change"]
    assert set(programs) == {(1, 0)}


def test_a_file_with_notes_on_all_channels_is_refused():
    tracks = [note_events((0, 400, 60), channel=channel) for channel in range(16) if channel != 9]
    with pytest.raises(tempo_map.MidiError, match="has notes on all channels, and new notes need"):
        MidiEditor(midi_bytes.file(*tracks))
    MidiEditor(midi_bytes.file(*tracks[1:]))


def test_an_edit_that_would_change_notes_is_refused_and_nothing_is_written(tmp_path):
    """Here all notes off, sent on all channels, would end a new note."""
    silence = [(3300, midi_bytes.control(123, 0, channel)) for channel in range(16)]
    editor = MidiEditor(midi_bytes.file([*MELODY, *silence]))
    editor.add(NEW, "new")
    with pytest.raises(tempo_map.MidiError, match="cannot be edited: its controllers would change the new notes"):
        editor.write(tmp_path / "out.mid")
    assert not list(tmp_path.iterdir())


def test_drums_are_not_removed():
    editor = MidiEditor(FILES["several tracks and channels"])
    editor.remove(0, 100)
    editor.add(NEW, "new")
    played = notes_of_synthesizer(editor.encode())
    assert [note[:2] for note in played if note[0] != 0] == [(9, 35)]
    assert len(played) == 1 + len(NEW)


@pytest.mark.parametrize(
    "data", [b"", b"no midi", FILES["format 0"][:40], midi_bytes.file([(0, midi_bytes.note_on(60))], division=0xE728)]
)
def test_invalid_file_raises_midi_error(data):
    with pytest.raises(tempo_map.MidiError):
        MidiEditor(data)


TRACK_NOTES = st.lists(
    st.tuples(st.integers(0, 3000), st.integers(1, 400), st.integers(58, 62), st.sampled_from([0, 0, 5])), max_size=12
)


@settings(max_examples=60)
@given(st.lists(TRACK_NOTES, min_size=1, max_size=3), st.floats(0, 3), st.floats(0, 3))
def test_remove_keeps_all_other_notes(tracks, start, seconds):
    """However notes, tracks and channels overlap: what is not removed ends where it ended before."""
    data = midi_bytes.file(
        *(
            [
                event
                for onset, length, pitch, channel in track
                for event in note_events((onset, onset + length, pitch), channel=channel)
            ]
            for track in tracks
        )
    )
    before = pair_notes([track.events for track in parse_midi(data).tracks])
    editor = MidiEditor(data)
    editor.remove(start, start + seconds)
    try:
        after = pair_notes([track.events for track in parse_midi(editor.encode()).tracks])
    except tempo_map.MidiError as error:
        assert str(error).startswith("has no notes") or "that ends" in str(error)
        return
    onset = before.onset / 1000
    is_kept = (onset < start) | (onset >= start + seconds)
    rows = [
        sorted(zip(notes.channel[kept], notes.pitch[kept], notes.onset[kept], notes.key_offset[kept], strict=True))
        for notes, kept in ((before, is_kept), (after, slice(None)))
    ]
    assert rows[0] == rows[1]


def test_odd_and_damaged_files_are_edited_without_a_change_or_refused():
    edited = 0
    for seed in range(400):
        data = make_input(seed, REAL_FILES)
        try:
            before = midi_io.read_midi(data)
            editor = MidiEditor(data)
            editor.remove(0.5, 2)
            editor.add(NEW.assign(start=NEW["start"] + 1), "new")
            after = midi_io.read_midi(editor.encode())
        except tempo_map.MidiError as error:
            assert str(error) and "\n" not in str(error), seed
            continue
        edited += 1
        early = before[before["start"] < 0.5 - 1e-9]
        pd.testing.assert_frame_equal(after[COLUMNS].head(len(early)), early[COLUMNS], rtol=0, atol=1e-9, obj=str(seed))
        assert len(after) <= len(before) + len(NEW), seed
    assert edited > 40
