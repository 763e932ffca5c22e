"""Reading is held against pretty_midi and against a simulation of the piano, event by event; writing against both."""

import csv
import io
import random
import warnings
import zipfile
from collections import defaultdict

import numpy as np
import pandas as pd
import pretty_midi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.midi.midi_io import MAX_SECONDS, read_midi, write_midi
from stages.midi.tempo_map import MidiError
from stages.representation.note_table import sort_notes
from tests.helpers import midi_bytes
from tests.helpers.midi_bytes import off, on, pedal, tempo
from tests.helpers.source_analysis import ROOT

ETUDES = ROOT / "data/etudes/etudes.zip"
MAESTRO = ROOT / "data/raw/maestro-v3.0.0"

# Few pitches and short times, for overlaps and coincidences are what is hard.
NOTE = st.tuples(st.integers(0, 60), st.integers(1, 40), st.integers(60, 62), st.integers(1, 127))
NOTES = st.lists(NOTE, max_size=12)
PEDALS = st.lists(st.tuples(st.integers(0, 90), st.sampled_from([0, 63, 64, 127])), max_size=8)
TEMPOS = st.dictionaries(st.integers(0, 80), st.integers(1, 2**24 - 1), max_size=5)


def played(notes, pedals=(), channel=0):
    """Events of (start, length, pitch, velocity) and (tick, value); of one tick the note-offs before the note-ons."""
    found = [(tick, pedal(value, channel)) for tick, value in pedals]
    found += [(start + length, off(pitch, channel)) for start, length, pitch, _ in notes]
    return found + [(start, on(pitch, velocity, channel)) for start, _, pitch, velocity in notes]


def merged(notes):
    """Of (start, pitch, velocity, end) with the same start and pitch only the loudest, then the longest."""
    best = {}
    for start, pitch, velocity, end in notes:
        best[start, pitch] = max(best.get((start, pitch), (0, 0)), (velocity, end))
    return np.array([(start, pitch, *best[start, pitch]) for start, pitch in sorted(best)]).reshape(-1, 4)


def by_pretty_midi(data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = pretty_midi.PrettyMIDI(io.BytesIO(data))
    parts = [part for part in file.instruments if not part.is_drum]
    return merged((note.start, note.pitch, note.velocity, note.end) for part in parts for note in part.notes)


def assert_agrees_with_pretty_midi(data):
    ours, theirs = read_midi(data), by_pretty_midi(data)
    assert len(ours) == len(theirs)
    np.testing.assert_allclose(ours["start"], theirs[:, 0], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(ours["pitch"], theirs[:, 1])
    np.testing.assert_array_equal(ours["velocity"], theirs[:, 2])
    np.testing.assert_allclose(ours["start"] + ours["duration"], theirs[:, 3], rtol=0, atol=1e-6)


@settings(deadline=None)
@given(
    st.lists(st.tuples(NOTES, st.sampled_from([0, 3, 9])), max_size=3), TEMPOS, st.sampled_from([24, 96, 384, 480, 960])
)
def test_notes_agree_with_pretty_midi(parts, tempos, division):
    conductor = [(tick, tempo(value)) for tick, value in tempos.items()]
    tracks = [played(notes, channel=channel) for notes, channel in parts]
    assert_agrees_with_pretty_midi(midi_bytes.file(conductor + played([(0, 1, 60, 64)]), *tracks, division=division))


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


def piano(tracks):
    """The notes of [(notes, pedals)], a track each, by playing them tick by tick; starts, pitches, velocities, ends."""
    tracks = [(notes, pedals) for notes, pedals in tracks if notes]
    last = max(start + length for notes, _ in tracks for start, length, *_ in notes)
    last = max([last] + [tick for _, pedals in tracks for tick, _ in pedals])
    keys = [{} for _ in tracks]  # pitch: the notes whose key is down
    held = [[] for _ in tracks]  # the notes that only the pedal holds
    down = [False for _ in tracks]
    struck = []
    for tick in range(last + 1):
        for number, (notes, pedals) in enumerate(tracks):
            for value in (value for time, value in pedals if time == tick):
                down[number] = value >= 64
                if not down[number]:
                    for note in held[number]:
                        note.setdefault("damped", tick)
                    held[number] = []
            for pitch in {pitch for start, length, pitch, _ in notes if start + length == tick}:
                for note in keys[number].pop(pitch, []):
                    note["release"] = tick
                    if down[number]:
                        held[number].append(note)
                    else:
                        note.setdefault("damped", tick)
        for number, (notes, _) in enumerate(tracks):
            for _, _, pitch, velocity in (note for note in notes if note[0] == tick):
                for note in struck:
                    if note["pitch"] == pitch and note["start"] < tick:
                        note.setdefault("damped", tick)
                struck.append({"start": tick, "pitch": pitch, "velocity": velocity})
                keys[number].setdefault(pitch, []).append(struck[-1])
    for note in struck:
        note.setdefault("damped", last)
    return (
        pd.DataFrame(struck)
        .sort_values(["start", "pitch", "velocity", "release", "damped"])
        .drop_duplicates(["start", "pitch"], keep="last")
    )


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(NOTES, PEDALS), min_size=1, max_size=3).filter(lambda tracks: any(notes for notes, _ in tracks))
)
def test_sustained_agrees_with_a_played_piano(tracks):
    expected = piano(tracks)
    table = read_midi(midi_bytes.file(*(played(notes, pedals) for notes, pedals in tracks)))
    ticks = (table[["start", "duration", "sustained"]] * 1000).round().astype(int)
    assert ticks["start"].tolist() == expected["start"].tolist()
    assert table["pitch"].tolist() == expected["pitch"].tolist()
    assert table["velocity"].tolist() == expected["velocity"].tolist()
    assert (ticks["start"] + ticks["duration"]).tolist() == expected["release"].tolist()
    assert (ticks["start"] + ticks["sustained"]).tolist() == expected["damped"].tolist()


def times(*tracks, **form):
    """Start, release and damping in ms of each note."""
    table = read_midi(midi_bytes.file(*tracks, **form))
    ends = {name: table["start"] + table[name] for name in ("duration", "sustained")}
    return (pd.DataFrame({"start": table["start"], **ends}) * 1000).round(6).to_numpy().tolist()


def test_note_offs_of_both_kinds_and_running_status():
    assert times([(5, on(60)), (9, on(60, 0)), (10, on(61)), (13, bytes([61, 0]))]) == [[5, 9, 9], [10, 13, 13]]


def test_without_a_tempo_it_is_120_and_ticks_are_the_header_s():
    assert times([(96, on(60)), (192, off(60))], division=96) == [[500, 1000, 1000]]


def test_tempo_changes_hold_from_their_tick_on_whatever_track_they_stand_on():
    notes = [(0, on(60)), (20, off(60)), (30, on(61)), (40, off(61))]
    assert times(notes, [(10, tempo(1_000_000)), (35, tempo(250_000))]) == [[0, 30, 30], [50, 62.5, 62.5]]
    assert times([(10, tempo(1_000_000)), *notes], kind=0) == [[0, 30, 30], [50, 70, 70]]


def test_seconds_do_not_lose_precision_late_in_a_long_file():
    late = 20_000_000  # ticks of 1/3 ms: 6666.67 s, where float32 has steps of half a millisecond
    table = read_midi(midi_bytes.file([(0, tempo(160_000)), (late, on(60)), (late + 1, off(60))], division=480))
    assert table["start"][0] == pytest.approx(late / 3000, abs=1e-9)
    assert table["duration"][0] == pytest.approx(1 / 3000, abs=1e-9)


def test_tracks_and_channels_are_merged_without_the_drums():
    piece = [
        (0, on(60)),
        (10, off(60)),
        (4, on(62, channel=5)),
        (8, off(62, 5)),
        (2, on(36, channel=9)),
        (3, off(36, 9)),
    ]
    assert times(piece, [(6, on(64)), (7, off(64))]) == [[0, 10, 10], [4, 8, 8], [6, 7, 7]]


def test_of_one_key_struck_twice_in_a_tick_the_loudest_then_the_longest_is_kept():
    quiet, loud, longer = ([(0, on(60, velocity)), (end, off(60))] for velocity, end in ((50, 90), (70, 20), (70, 30)))
    for tracks in ((quiet, loud, longer), (longer, loud, quiet)):
        assert times(*tracks) == [[0, 30, 30]]
        assert read_midi(midi_bytes.file(*tracks))["velocity"].tolist() == [70]


def test_a_note_that_ends_as_it_begins_or_never_is_no_note():
    assert times([(0, on(60)), (0, off(60)), (5, on(61)), (7, off(61)), (9, on(62))]) == [[5, 7, 7]]


def test_a_note_off_too_many_does_not_shift_the_notes_after_it():
    """As in MAESTRO, where a note-off stands before the note-on of its tick."""
    strays = [(5, off(60)), (5, on(60)), (20, on(60)), (25, off(60)), (40, on(60)), (44, off(60)), (50, off(60))]
    assert times(strays) == [[5, 25, 20], [20, 25, 25], [40, 44, 44]]


def test_pedal_messages_come_before_note_offs_of_the_same_tick():
    note = [(0, on(60)), (10, off(60))]
    assert times([*note, (10, pedal(127)), (30, pedal(0))]) == [[0, 10, 30]]
    assert times([(5, pedal(127)), *note, (10, pedal(0)), (30, pedal(0))]) == [[0, 10, 10]]


def test_the_pedal_is_down_from_64_and_belongs_to_its_channel():
    notes = [(0, on(60)), (10, off(60)), (0, on(61, channel=1)), (10, off(61, 1))]
    assert times([*notes, (5, pedal(64)), (20, pedal(63))]) == [[0, 10, 20], [0, 10, 10]]
    assert times([*notes, (5, midi_bytes.control(66, 127)), (20, midi_bytes.control(66, 0))]) == [
        [0, 10, 10],
        [0, 10, 10],
    ]


def test_a_pedal_that_is_never_lifted_holds_to_the_end():
    assert times([(0, on(60)), (5, pedal(127)), (10, off(60)), (20, on(62)), (50, off(62))]) == [
        [0, 10, 50],
        [20, 50, 50],
    ]


def test_an_onset_ends_the_sound_before_it_even_of_a_key_still_down():
    assert times([(0, on(60)), (50, off(60))], [(20, on(60)), (30, off(60))]) == [[0, 50, 20], [20, 30, 30]]


LONE = midi_bytes.file([(0, on(60)), (10, off(60))])
BAD = {
    "empty": b"",
    "not MIDI": b"RIFF" + LONE,
    "header alone": LONE[:14],
    "half a track": LONE[:-5],
    "a track missing": midi_bytes.file([(0, on(60)), (10, off(60))])[:10] + b"\0\2" + LONE[12:],
    "no tracks": midi_bytes.file(),
    "no notes": midi_bytes.file([(0, tempo(500_000))]),
    "drums alone": midi_bytes.file([(0, on(36, channel=9)), (10, off(36, 9))]),
    "SMPTE frames": midi_bytes.file([(0, on(60)), (10, off(60))], division=0xE728),
    "no ticks": midi_bytes.file([(0, on(60)), (10, off(60))], division=0),
    "no tempo": midi_bytes.file([(0, tempo(0)), (0, on(60)), (10, off(60))]),
    "longer than a day": midi_bytes.file([(0, on(60)), (int(MAX_SECONDS * 1000) + 1, off(60))]),
    "ticks beyond 32 bits": midi_bytes.file(
        [
            (0, on(60)),
            (2**28 - 1, off(60)),
            *((n * (2**28 - 1), b"\xff\x01\x00") for n in range(2, 13)),
            (12 * 2**28, on(60)),
            (12 * 2**28 + 5, off(60)),
        ],
        division=32767,
    ),
    "no status": b"MThd\0\0\0\6\0\0\0\1\1\xf4MTrk\0\0\0\4\0\x3c\x40\0",
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_a_midi_error_of_one_line(name):
    with pytest.raises(MidiError) as caught:
        read_midi(BAD[name])
    assert str(caught.value)
    assert "\n" not in str(caught.value)


def test_data_bytes_above_127_are_read_as_127():
    """symusic would write outside its tables: channel 16 is the last of them."""
    table = read_midi(midi_bytes.file([(0, on(255, channel=15)), (10, off(255, channel=15))] * 50))
    assert table["pitch"].tolist() == [127]


def frame(rows):
    return sort_notes(pd.DataFrame(rows, columns=["start", "sustained", "pitch", "velocity"]).astype({"start": float}))


def written(table):
    buffer = io.BytesIO()
    write_midi(table, buffer)
    return buffer.getvalue()


CELLS = st.tuples(st.integers(0, 500), st.integers(1, 3000), st.integers(21, 108), st.integers(1, 127))


@settings(deadline=None)
@given(st.lists(CELLS, min_size=1, max_size=30, unique_by=lambda note: (note[0], note[2])), st.randoms())
def test_what_is_written_is_read_again(notes, order):
    """On the 10 ms grid exactly, with each note trimmed to the next onset of its pitch; whatever the rows' order."""
    table = frame([(start / 100, length / 100, *rest) for start, length, *rest in notes])
    data = written(table)
    again = read_midi(data)
    onsets = defaultdict(list)
    for start, _, pitch, _ in notes:
        onsets[pitch].append(start)
    ends = {(s, p): min([s + length, *(o for o in onsets[p] if o > s)]) for s, length, p, _ in notes}
    cells = [(s, p, v, ends[s, p]) for s, _, p, v in sorted(notes, key=lambda note: (note[0], note[2]))]
    assert (again["start"] * 100).round(9).tolist() == [start for start, *_ in cells]
    assert list(zip(again["pitch"], again["velocity"], strict=True)) == [(p, v) for _, p, v, _ in cells]
    for name in ("duration", "sustained"):
        assert ((again["start"] + again[name]) * 100).round(9).tolist() == [end for *_, end in cells]
    shuffled = list(range(len(table)))
    order.shuffle(shuffled)
    assert written(table.iloc[shuffled]) == data


def test_times_off_the_grid_are_kept_to_half_a_tick_and_short_notes_for_one(tmp_path):
    write_midi(frame([(1.23456, 0.98765, 60, 64), (2.5, 1e-9, 61, 64)]), tmp_path / "a.mid")
    again = read_midi((tmp_path / "a.mid").read_bytes())
    assert again["start"].tolist() == pytest.approx([1.23456, 2.5], abs=5.01e-4)
    assert again["duration"].tolist() == pytest.approx([0.98765, 1e-3], abs=1.01e-3)


def test_of_notes_in_one_tick_the_loudest_is_written():
    again = read_midi(written(frame([(1.0, 1.0, 60, 40), (1.0001, 0.5, 60, 90)])))
    assert again[["start", "duration", "velocity"]].to_numpy().tolist() == [[1.0, 0.5, 90]]


def test_written_files_are_one_piano_without_pedal():
    file = pretty_midi.PrettyMIDI(io.BytesIO(written(frame([(0, 1, 60, 64)]))))
    assert [(part.program, part.is_drum, part.control_changes) for part in file.instruments] == [(0, False, [])]
