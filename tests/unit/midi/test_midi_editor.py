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
from tests.helpers import midi_bytes

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


FILES = {
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


def test_drums_are_not_removed(tmp_path):
    editor = MidiEditor(FILES["several tracks and channels"])
    editor.remove(0, 100)
    tracks = mido.MidiFile(file=io.BytesIO(written(editor, tmp_path))).tracks
    note_ons = [message for track in tracks for message in track if message.type == "note_on"]
    assert [(message.channel, message.note) for message in note_ons] == [(9, 35)]


@pytest.mark.parametrize(
    "data", [b"", b"no midi", FILES["format 0"][:40], midi_bytes.file([(0, midi_bytes.note_on(60))], division=0xE728)]
)
def test_invalid_file_raises_midi_error(data):
    with pytest.raises(tempo_map.MidiError):
        MidiEditor(data)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 400), st.integers(58, 62)), min_size=1, max_size=25),
    st.floats(0, 3),
    st.floats(0, 3),
)
def test_remove_keeps_notes_of_other_pitches(notes, start, seconds):
    """Whichever notes overlap: pitches of which no note was removed are read as before."""
    data = midi_bytes.file(note_events(*((onset, onset + length, pitch) for onset, length, pitch in notes)))
    before = midi_io.read_midi(data)
    editor = MidiEditor(data)
    editor.remove(start, start + seconds)
    inside = (before["start"] >= start) & (before["start"] < start + seconds)
    changed = set(before.loc[inside, "pitch"])
    if set(before["pitch"]) == changed:
        return
    after = midi_io.read_midi(editor.encode())
    pd.testing.assert_frame_equal(
        after.loc[~after["pitch"].isin(changed), COLUMNS].reset_index(drop=True),
        before.loc[~before["pitch"].isin(changed), COLUMNS].reset_index(drop=True),
        rtol=0,
        atol=1e-12,
    )
