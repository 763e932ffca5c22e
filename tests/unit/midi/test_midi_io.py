"""Reading is compared with pretty_midi and with a simulated piano, event by event; writing is compared with reading."""

import csv
import io
import random
import warnings
import zipfile
from collections import defaultdict

import mido
import numpy as np
import pandas as pd
import pretty_midi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.midi import midi_events
from stages.midi.midi_io import MAX_SECONDS, read_midi, write_midi
from stages.midi.tempo_map import MidiError
from stages.representation.note_table import sort_notes
from tests.helpers import midi_bytes
from tests.helpers.midi_bytes import note_off, note_on, pedal, tempo
from tests.helpers.source_analysis import ROOT

ETUDES = ROOT / "data/etudes/etudes.zip"
MAESTRO = ROOT / "data/raw/maestro-v3.0.0"

# Few pitches and short times, since overlaps and coincidences are the difficult cases.
NOTE = st.tuples(st.integers(0, 60), st.integers(1, 40), st.integers(60, 62), st.integers(1, 127))
NOTES = st.lists(NOTE, max_size=12)
PEDALS = st.lists(st.tuples(st.integers(0, 90), st.sampled_from([0, 63, 64, 127])), max_size=8)
TEMPOS = st.dictionaries(st.integers(0, 80), st.integers(1, 2**24 - 1), max_size=5)


def make_events(notes, pedals=(), channel=0):
    """Return the events of notes (start, length, pitch, velocity) and pedals (tick, value).

    Within a tick, pedal messages come first, then note-offs, then note-ons.
    """
    events = [(tick, pedal(value, channel)) for tick, value in pedals]
    events += [(start + length, note_off(pitch, channel)) for start, length, pitch, _ in notes]
    return events + [(start, note_on(pitch, velocity, channel)) for start, _, pitch, velocity in notes]


def deduplicate(notes):
    """Return, of notes (start, pitch, velocity, end) with the same start and pitch, the loudest, then the longest."""
    best = {}
    for start, pitch, velocity, end in notes:
        best[start, pitch] = max(best.get((start, pitch), (0, 0)), (velocity, end))
    return np.array([(start, pitch, *best[start, pitch]) for start, pitch in sorted(best)]).reshape(-1, 4)


def read_by_pretty_midi(data):
    """Return the rows (start, pitch, velocity, end) that pretty_midi reads, without drums."""
    merged = mido.MidiFile(file=io.BytesIO(data), clip=True)
    merged.tracks = [mido.merge_tracks(merged.tracks)]  # pretty_midi itself pairs the notes of each track apart
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = pretty_midi.PrettyMIDI(mido_object=merged)
    parts = [part for part in file.instruments if not part.is_drum]
    return deduplicate((note.start, note.pitch, note.velocity, note.end) for part in parts for note in part.notes)


def assert_agrees_with_pretty_midi(data):
    ours, theirs = read_midi(data), read_by_pretty_midi(data)
    assert len(ours) == len(theirs)
    np.testing.assert_allclose(ours["start"], theirs[:, 0], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(ours["pitch"], theirs[:, 1])
    np.testing.assert_array_equal(ours["velocity"], theirs[:, 2])
    np.testing.assert_allclose(ours["start"] + ours["key_duration"], theirs[:, 3], rtol=0, atol=1e-6)


@given(
    st.lists(st.tuples(NOTES, st.sampled_from([0, 3, 9])), max_size=3), TEMPOS, st.sampled_from([24, 96, 384, 480, 960])
)
def test_notes_agree_with_pretty_midi(parts, tempos, division):
    conductor = [(tick, tempo(value)) for tick, value in tempos.items()]
    tracks = [make_events(notes, channel=channel) for notes, channel in parts]
    assert_agrees_with_pretty_midi(
        midi_bytes.file(conductor + make_events([(0, 1, 60, 64)]), *tracks, division=division)
    )


def test_etudes_agree_with_pretty_midi():
    with zipfile.ZipFile(ETUDES) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".midi"))
        for name in names[::6]:
            assert_agrees_with_pretty_midi(archive.read(name))


@pytest.mark.skipif(not MAESTRO.exists(), reason="MAESTRO is not in data/raw")
def test_maestro_agrees_with_pretty_midi():
    with (MAESTRO / "maestro-v3.0.0.csv").open(encoding="utf-8", newline="") as table:
        names = sorted(row["midi_filename"] for row in csv.DictReader(table))
    for name in random.Random(3).sample(names, 6):
        assert_agrees_with_pretty_midi((MAESTRO / name).read_bytes())


def simulate_piano(parts):
    """Simulate a synthesizer message by message.

    Args:
        parts: notes, pedals and channel of each track; see `make_events`.

    Returns:
        A table of start, pitch, velocity, key_offset and sound_offset, in ticks.
    """
    messages = []
    for notes, pedals, channel in parts:
        messages += sorted(make_events(notes, pedals, channel), key=lambda event: event[0])
    messages.sort(key=lambda event: event[0])
    played, pedal_down = [], dict.fromkeys(range(16), False)
    for tick in range(max(tick for tick, _ in messages) + 1):
        now = [message for time, message in messages if time == tick]
        for status, _, value in (message for message in now if message[0] >> 4 == 0xB):
            pedal_down[status & 15] = value >= 64
            for note in played:
                if note["channel"] == status & 15 and "key_offset" in note and value < 64:
                    note.setdefault("sound_offset", tick)
        for status, pitch, velocity in (message for message in now if message[0] >> 4 != 0xB):
            channel = status & 15
            if status >> 4 == 9:
                played.append({"start": tick, "pitch": pitch, "velocity": velocity, "channel": channel})
                continue
            down = [
                note
                for note in played
                if (note["pitch"], note["channel"]) == (pitch, channel) and "key_offset" not in note
            ]
            ended = [note for note in down if note["start"] < tick]
            for note in ended:
                note["key_offset"] = tick
                if not pedal_down[channel]:
                    note["sound_offset"] = tick
            if not ended:
                played = [note for note in played if note not in down]
    table = pd.DataFrame([note for note in played if "key_offset" in note])
    channels = set(table["channel"])
    pedal_ticks = [tick for _, pedals, channel in parts for tick, _ in pedals if channel in channels]
    last = max([table["key_offset"].max(), *pedal_ticks])
    table = table.assign(sound_offset=table.get("sound_offset", pd.Series(index=table.index)).fillna(last))
    for row, note in table.iterrows():
        later = table.loc[(table["pitch"] == note["pitch"]) & (table["start"] > note["start"]), "start"]
        table.loc[row, "sound_offset"] = min(note["sound_offset"], later.min() if len(later) else last)
    return table.sort_values(["start", "pitch", "velocity", "key_offset", "sound_offset"]).drop_duplicates(
        ["start", "pitch"], keep="last"
    )


PARTS = st.lists(st.tuples(NOTES, PEDALS, st.sampled_from([0, 0, 4])), min_size=1, max_size=3)


@settings(max_examples=100)
@given(PARTS.filter(lambda parts: any(notes for notes, _, _ in parts)))
def test_notes_and_sound_agree_with_simulated_piano(parts):
    expected = simulate_piano(parts)
    table = read_midi(midi_bytes.file(*(make_events(*part) for part in parts)))
    ticks = (table[["start", "key_duration", "sounding_duration"]] * 1000).round().astype(int)
    assert ticks["start"].tolist() == expected["start"].tolist()
    assert table["pitch"].tolist() == expected["pitch"].tolist()
    assert table["velocity"].tolist() == expected["velocity"].tolist()
    assert (ticks["start"] + ticks["key_duration"]).tolist() == expected["key_offset"].tolist()
    assert (ticks["start"] + ticks["sounding_duration"]).tolist() == expected["sound_offset"].tolist()


def times(*tracks, **form):
    """Return start, key offset and sound offset of each note in ms."""
    table = read_midi(midi_bytes.file(*tracks, **form))
    ends = {name: table["start"] + table[name] for name in ("key_duration", "sounding_duration")}
    return (pd.DataFrame({"start": table["start"], **ends}) * 1000).round(6).to_numpy().tolist()


def test_both_kinds_of_note_off_and_running_status_are_read():
    assert times([(5, note_on(60)), (9, note_on(60, 0)), (10, note_on(61)), (13, bytes([61, 0]))]) == [
        [5, 9, 9],
        [10, 13, 13],
    ]


def test_default_tempo_is_120_and_resolution_is_that_of_the_header():
    assert times([(96, note_on(60)), (192, note_off(60))], division=96) == [[500, 1000, 1000]]


def test_tempo_changes_apply_from_their_tick_on_whatever_track_they_are():
    notes = [(0, note_on(60)), (20, note_off(60)), (30, note_on(61)), (40, note_off(61))]
    assert times(notes, [(10, tempo(1_000_000)), (35, tempo(250_000))]) == [[0, 30, 30], [50, 62.5, 62.5]]
    assert times([(10, tempo(1_000_000)), *notes], kind=0) == [[0, 30, 30], [50, 70, 70]]


def test_seconds_are_precise_late_in_a_long_file():
    late = 20_000_000  # ticks of 1/3 ms: 6666.67 s, where float32 has steps of half a millisecond
    table = read_midi(
        midi_bytes.file([(0, tempo(160_000)), (late, note_on(60)), (late + 1, note_off(60))], division=480)
    )
    assert table["start"][0] == pytest.approx(late / 3000, abs=1e-9)
    assert table["key_duration"][0] == pytest.approx(1 / 3000, abs=1e-9)


def test_tracks_and_channels_are_merged_without_drums():
    piece = [
        (0, note_on(60)),
        (10, note_off(60)),
        (4, note_on(62, channel=5)),
        (8, note_off(62, 5)),
        (2, note_on(36, channel=9)),
        (3, note_off(36, 9)),
    ]
    assert times(piece, [(6, note_on(64)), (7, note_off(64))]) == [[0, 10, 10], [4, 8, 8], [6, 7, 7]]


def test_of_notes_with_same_tick_and_pitch_the_loudest_then_longest_is_kept():
    quiet, loud, longer = (
        [(0, note_on(60, velocity, channel)), (end, note_off(60, channel))]
        for channel, (velocity, end) in enumerate([(50, 90), (70, 20), (70, 30)])
    )
    for tracks in ((quiet, loud, longer), (longer, loud, quiet)):
        assert times(*tracks) == [[0, 30, 30]]
        assert read_midi(midi_bytes.file(*tracks))["velocity"].tolist() == [70]


def test_note_without_length_or_offset_is_dropped():
    assert times([(0, note_on(60)), (0, note_off(60)), (5, note_on(61)), (7, note_off(61)), (9, note_on(62))]) == [
        [5, 7, 7]
    ]


def test_stray_note_off_does_not_affect_later_notes():
    """MAESTRO has note-offs before a note-on of the same tick."""
    strays = [
        (5, note_off(60)),
        (5, note_on(60)),
        (20, note_on(60)),
        (25, note_off(60)),
        (40, note_on(60)),
        (44, note_off(60)),
        (50, note_off(60)),
    ]
    assert times(strays) == [[5, 25, 20], [20, 25, 25], [40, 44, 44]]


def test_pedal_messages_precede_note_offs_of_the_same_tick():
    note = [(0, note_on(60)), (10, note_off(60))]
    assert times([*note, (10, pedal(127)), (30, pedal(0))]) == [[0, 10, 30]]
    assert times([(5, pedal(127)), *note, (10, pedal(0)), (30, pedal(0))]) == [[0, 10, 10]]


def test_pedal_is_down_from_64_and_applies_to_its_channel():
    notes = [(0, note_on(60)), (10, note_off(60)), (0, note_on(61, channel=1)), (10, note_off(61, 1))]
    assert times([*notes, (5, pedal(64)), (20, pedal(63))]) == [[0, 10, 20], [0, 10, 10]]
    assert times([*notes, (5, midi_bytes.control(66, 127)), (20, midi_bytes.control(66, 0))]) == [
        [0, 10, 10],
        [0, 10, 10],
    ]


def test_pedal_that_is_never_lifted_sustains_to_the_end():
    assert times([(0, note_on(60)), (5, pedal(127)), (10, note_off(60)), (20, note_on(62)), (50, note_off(62))]) == [
        [0, 10, 50],
        [20, 50, 50],
    ]


def test_pedal_messages_of_channels_without_notes_do_not_prolong_the_music():
    events = [(0, note_on(60)), (5, pedal(127)), (10, note_off(60)), (20, pedal(90))]
    assert times([*events, (90, pedal(0, channel=4))]) == [[0, 10, 20]]


def test_onset_ends_the_sound_of_the_same_pitch_even_if_its_key_is_down():
    other = [(20, note_on(60, channel=1)), (30, note_off(60, channel=1))]
    assert times([(0, note_on(60)), (50, note_off(60))], other) == [[0, 50, 20], [20, 30, 30]]


@pytest.mark.parametrize("first, second", [((0, 0), (1, 0)), ((0, 0), (0, 3)), ((0, 3), (1, 3)), ((1, 2), (0, 2))])
def test_note_off_and_pedal_belong_to_their_channel_whatever_the_track(first, second):
    """Given track and channel of two hands, the pedal on the first track."""
    tracks = [[], []]
    tracks[first[0]] += [(0, note_on(40, channel=first[1])), (100, note_off(40, first[1]))]
    tracks[second[0]] += [(50, note_on(80, channel=second[1])), (60, note_off(80, second[1]))]
    tracks[0] += [(10, pedal(127, first[1])), (200, pedal(0, first[1]))]
    tracks[0] += [(300, note_on(41, channel=first[1]))]
    tracks[1] += [(400, note_off(41, first[1]))]
    same_channel = first[1] == second[1]
    assert times(*tracks) == [[0, 100, 200], [50, 60, 200 if same_channel else 60], [300, 400, 400]]


def test_note_off_ends_all_notes_of_its_key_and_channel():
    """As on a synthesizer: the same key on two tracks of one channel is one key."""
    tracks = [(0, note_on(60)), (1000, note_off(60))], [(200, note_on(60)), (500, note_off(60))]
    assert times(*tracks) == times(*reversed(tracks)) == [[0, 500, 200], [200, 500, 500]]


def test_pedal_lasts_across_program_changes():
    events = [(0, pedal(127)), (100, note_on(60)), (500, note_off(60)), (750, bytes([0xC0, 5])), (1250, pedal(0))]
    assert times([*events, (2000, note_on(72)), (9000, note_off(72))]) == [[100, 500, 1250], [2000, 9000, 9000]]


@pytest.mark.parametrize("number", [120, 123, 124, 125, 126, 127])
def test_messages_that_end_all_notes_of_their_channel(number):
    events = [(0, note_on(60)), (0, note_on(64)), (0, note_on(60, channel=1)), (10, midi_bytes.control(number, 0))]
    events += [(20, note_off(60)), (20, note_off(60, 1)), (30, note_on(64)), (35, note_off(64))]
    assert times(events) == [[0, 20, 20], [0, 10, 10], [30, 35, 35]]
    held = times([*events, (5, pedal(127)), (25, pedal(0))])
    assert held == [[0, 20, 20], [0, 10, 10 if number == 120 else 25], [30, 35, 35]]


def test_all_notes_off_is_one_note_off_for_a_key_struck_twice():
    events = [(0, note_on(60)), (10, note_on(60)), (10, midi_bytes.control(123, 0)), (20, note_off(60))]
    assert times(events) == [[0, 10, 10], [10, 20, 20]]


def test_controllers_121_and_122_do_not_end_notes_but_121_lifts_the_pedal():
    events = [(0, pedal(127)), (0, note_on(60)), (20, note_off(60)), (90, note_on(62)), (95, note_off(62))]
    assert times([*events, (10, midi_bytes.control(122, 0))]) == [[0, 20, 95], [90, 95, 95]]
    assert times([*events, (40, midi_bytes.control(121, 0))]) == [[0, 20, 40], [90, 95, 95]]


def test_note_off_before_note_on_in_one_tick_does_not_lose_the_note():
    """One such note is in MAESTRO, in Navarra, 2009."""
    events = [(0, note_on(60)), (100, note_off(60)), (100, note_off(60)), (100, note_on(60)), (150, note_off(60))]
    assert times(events) == [[0, 100, 100], [100, 150, 150]]
    assert times(events[2:]) == [[100, 150, 150]]


def test_note_off_after_note_on_in_one_tick_ends_the_note_before_it():
    events = [(0, note_on(60)), (100, note_on(60)), (100, note_off(60)), (150, note_off(60))]
    assert times(events) == [[0, 100, 100], [100, 150, 150]]
    assert times([*events[1:], (200, note_on(60)), (210, note_off(60))]) == [[200, 210, 210]]


PACKETS = bytes.fromhex("00F003431200 00F70443120BF7 00903C40 8360803C40 00FF2F00")


def test_packets_of_system_exclusive_messages_do_not_shift_notes():
    data = b"MThd\0\0\0\6\0\0\0\1\1\xe0MTrk" + len(PACKETS).to_bytes(4, "big") + PACKETS
    table = read_midi(data)
    assert table[["start", "key_duration"]].to_numpy().tolist() == [[0, 0.5]]


@settings(max_examples=50)
@given(st.binary(min_size=1, max_size=150), st.integers(0, 3))
def test_no_payload_shifts_notes(payload, position):
    packet = bytes([0xF7]) + midi_bytes.variable_length(len(payload)) + payload
    notes = [(0, note_on(60)), (300, note_off(60)), (400, note_on(62)), (900, note_off(62))]
    assert times([*notes[:position], (notes[position][0], packet), *notes[position:]]) == times(notes)


STRUCK_TWICE = bytes.fromhex(
    "4d546864000000060000000101e04d54726b0000003800903c6481703c648170803c408360c00100903c648360803c408360c00200903c6483"
    "60803c408360c00300903c648360803c4000ff2f00"
)


def test_key_struck_twice_before_its_release_with_program_changes_later():
    table = read_midi(STRUCK_TWICE)
    ends = table["start"] + table["key_duration"]
    assert list(zip(table["start"], ends, strict=True)) == [
        (0, 0.5), (0.25, 0.5), (1, 1.5), (2, 2.5), (3, 3.5)
    ]  # fmt: skip


def test_running_status_after_a_system_exclusive_message_loses_no_note():
    body = bytes.fromhex("00903c40")
    for pitch in range(61, 68):
        body += bytes([16, pitch - 1, 0, 0, pitch, 64]) + bytes.fromhex("00f00243f7")
    body += bytes.fromhex("10430000ff2f00")
    data = b"MThd\0\0\0\6\0\0\0\1\0\x60MTrk" + len(body).to_bytes(4, "big") + body
    assert read_midi(data)["pitch"].tolist() == list(range(60, 68))


def test_times_of_more_than_32_bits():
    longest = midi_events.MAX_DELTA
    rests = [(number * longest, b"\xff\x01\x00") for number in range(2, 13)]
    first = [(0, note_on(60)), (longest, note_off(60))]
    last = [(13 * longest, note_on(61)), (13 * longest + 5, note_off(61))]
    table = read_midi(midi_bytes.file([*first, *rests, *last], division=32767))
    tick_seconds = 0.5 / 32767
    assert table["start"].tolist() == pytest.approx([0, 13 * longest * tick_seconds], rel=1e-15)


def test_tempo_events_of_odd_length():
    notes = [(0, note_on(60)), (10, note_off(60))]
    assert times([(0, bytes.fromhex("ff51020f42")), *notes]) == [[0, 10, 10]]
    assert times([(0, bytes.fromhex("ff5100")), *notes]) == [[0, 10, 10]]
    assert times([(0, bytes.fromhex("ff51040f424099")), *notes]) == [[0, 20, 20]]


SHORTEST = midi_bytes.file([(0, note_on(60)), (10, note_off(60))])
INVALID = {
    "empty": b"",
    "not MIDI": b"RIFF" + SHORTEST,
    "header alone": SHORTEST[:14],
    "half a track": SHORTEST[:-5],
    "a track missing": midi_bytes.file([(0, note_on(60)), (10, note_off(60))])[:10] + b"\0\2" + SHORTEST[12:],
    "no tracks": midi_bytes.file(),
    "no notes": midi_bytes.file([(0, tempo(500_000))]),
    "drums alone": midi_bytes.file([(0, note_on(36, channel=9)), (10, note_off(36, 9))]),
    "SMPTE frames": midi_bytes.file([(0, note_on(60)), (10, note_off(60))], division=0xE728),
    "no ticks": midi_bytes.file([(0, note_on(60)), (10, note_off(60))], division=0),
    "no tempo": midi_bytes.file([(0, tempo(0)), (0, note_on(60)), (10, note_off(60))]),
    "longer than a day": midi_bytes.file([(0, note_on(60)), (int(MAX_SECONDS * 1000) + 1, note_off(60))]),
    "no status": b"MThd\0\0\0\6\0\0\0\1\1\xf4MTrk\0\0\0\4\0\x3c\x40\0",
}


@pytest.mark.parametrize("name", INVALID)
def test_invalid_file_raises_midi_error_of_one_line(name):
    with pytest.raises(MidiError) as caught:
        read_midi(INVALID[name])
    assert str(caught.value)
    assert "\n" not in str(caught.value)


def test_data_bytes_above_127_are_read_as_127():
    table = read_midi(midi_bytes.file([(0, note_on(255, channel=15)), (10, note_off(255, channel=15))] * 50))
    assert table["pitch"].tolist() == [127]


def note_table(rows):
    """Return a note table of rows (start, sounding_duration, pitch, velocity)."""
    return sort_notes(
        pd.DataFrame(rows, columns=["start", "sounding_duration", "pitch", "velocity"]).astype({"start": float})
    )


def written(table):
    """Return the bytes that `write_midi` makes of a note table."""
    buffer = io.BytesIO()
    write_midi(table, buffer)
    return buffer.getvalue()


GRID_NOTES = st.tuples(st.integers(0, 500), st.integers(1, 3000), st.integers(21, 108), st.integers(1, 127))


@given(st.lists(GRID_NOTES, min_size=1, max_size=30, unique_by=lambda note: (note[0], note[2])), st.randoms())
def test_written_notes_are_read_again(notes, order):
    """Times in 10 ms frames are kept exactly, and notes end at the next onset of their pitch, in any order of rows."""
    table = note_table([(start / 100, length / 100, *rest) for start, length, *rest in notes])
    data = written(table)
    again = read_midi(data)
    onsets = defaultdict(list)
    for start, _, pitch, _ in notes:
        onsets[pitch].append(start)
    expected = [
        (start, pitch, velocity, min([start + length, *(onset for onset in onsets[pitch] if onset > start)]))
        for start, length, pitch, velocity in sorted(notes, key=lambda note: (note[0], note[2]))
    ]
    assert (again["start"] * 100).round(9).tolist() == [start for start, *_ in expected]
    assert again["pitch"].tolist() == [pitch for _, pitch, _, _ in expected]
    assert again["velocity"].tolist() == [velocity for _, _, velocity, _ in expected]
    for name in ("key_duration", "sounding_duration"):
        assert ((again["start"] + again[name]) * 100).round(9).tolist() == [end for *_, end in expected]
    shuffled = list(range(len(table)))
    order.shuffle(shuffled)
    assert written(table.iloc[shuffled]) == data


def test_times_are_rounded_to_ticks_and_notes_last_at_least_one(tmp_path):
    write_midi(note_table([(1.23456, 0.98765, 60, 64), (2.5, 1e-9, 61, 64)]), tmp_path / "a.mid")
    again = read_midi((tmp_path / "a.mid").read_bytes())
    assert again["start"].tolist() == pytest.approx([1.23456, 2.5], abs=5.01e-4)
    assert again["key_duration"].tolist() == pytest.approx([0.98765, 1e-3], abs=1.01e-3)


def test_of_notes_with_same_tick_and_pitch_the_loudest_is_written():
    again = read_midi(written(note_table([(1.0, 1.0, 60, 40), (1.0001, 0.5, 60, 90)])))
    assert again[["start", "key_duration", "velocity"]].to_numpy().tolist() == [[1.0, 0.5, 90]]


def test_written_file_is_one_piano_without_pedal():
    file = pretty_midi.PrettyMIDI(io.BytesIO(written(note_table([(0, 1, 60, 64)]))))
    assert [(part.program, part.is_drum, part.control_changes) for part in file.instruments] == [(0, False, [])]
