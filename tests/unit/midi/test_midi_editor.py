"""Changing somebody's file: what is not changed reads as before, from files of all kinds."""

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

COLUMNS = ["start", "duration", "pitch", "velocity"]


# Files as programs write them: (what it is, its bytes).
def strokes(*notes, channel=0):
    """Events of notes (on, off, pitch)."""
    return [
        event
        for on, off, key in notes
        for event in ((on, midi_bytes.on(key, 64, channel)), (off, midi_bytes.off(key, channel)))
    ]


FILES = {
    "format 0": midi_bytes.file(strokes((0, 400, 60), (500, 900, 64), (1500, 1700, 67)), kind=0),
    "format 2": midi_bytes.file(strokes((0, 400, 60), (500, 900, 64)), strokes((1500, 1700, 67)), kind=2),
    "several tracks and channels": midi_bytes.file(
        [(0, midi_bytes.tempo(400_000)), (800, midi_bytes.tempo(600_000))],
        strokes((0, 700, 60), (900, 1400, 60)),
        strokes((100, 1300, 40), channel=3) + strokes((0, 50, 35), channel=9),
    ),
    "96 ticks and a slow tempo": midi_bytes.file(
        [(0, midi_bytes.tempo(1_500_000)), *strokes((10, 90, 60), (96, 190, 62), (200, 260, 60))], division=96
    ),
    "messages that belong on a cable": midi_bytes.file(
        [(tick, bytes(message)) for tick, message in enumerate(([0xF8], [0xFA], [0xFE], [0xF6], [0xF3, 1]), start=100)]
        + strokes((0, 400, 60), (500, 900, 64))
    ),
    "pedal and a note struck again while it sounds": midi_bytes.file(
        [
            *strokes((10, 350, 60), (300, 380, 60), (700, 710, 72), (1000, 1100, 60)),
            *[(0, midi_bytes.pedal(127)), (900, midi_bytes.pedal(0))],
        ]
    ),
}


def written(edit, tmp_path):
    edit.write(tmp_path / "out.mid")
    return (tmp_path / "out.mid").read_bytes()


@pytest.mark.parametrize("name", FILES)
def test_nothing_changed_reads_as_before(tmp_path, name):
    again = midi_io.read_midi(written(MidiEditor(FILES[name]), tmp_path))
    pd.testing.assert_frame_equal(again, midi_io.read_midi(FILES[name]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("start, end", [(0.3, 0.95), (0, 0.3), (0.45, 0.5), (5, 6)])
def test_only_what_begins_in_the_region_is_removed(tmp_path, name, start, end):
    before = midi_io.read_midi(FILES[name])
    inside = (before["start"] >= start) & (before["start"] < end)
    edit = MidiEditor(FILES[name])
    assert edit.remove(start, end) == inside.sum()
    if inside.all():
        return
    after = midi_io.read_midi(written(edit, tmp_path))
    pd.testing.assert_frame_equal(
        after[COLUMNS], before.loc[~inside, COLUMNS].reset_index(drop=True), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("name", FILES)
def test_what_is_added_is_there_and_the_rest_as_before(tmp_path, name):
    before = midi_io.read_midi(FILES[name])
    new = pd.DataFrame({"start": [0.2, 0.25, 0.4, 2.0], "sustained": [0.5, 0.1, 0.3, 9.0]})
    new = new.assign(pitch=[90, 91, 90, 100], velocity=[1, 64, 100, 127])
    edit = MidiEditor(FILES[name])
    edit.add(new, "new")
    after = midi_io.read_midi(written(edit, tmp_path))
    ours = after["pitch"] >= 90
    pd.testing.assert_frame_equal(after.loc[~ours, COLUMNS].reset_index(drop=True), before[COLUMNS], rtol=0, atol=1e-12)
    added = after[ours]
    assert added["pitch"].tolist() == [90, 91, 90, 100] and added["velocity"].tolist() == [1, 64, 100, 127]
    np.testing.assert_allclose(added["start"], new["start"], atol=0.0011)
    # The first ends where its key is struck again.
    np.testing.assert_allclose(added["duration"], [0.2, 0.1, 0.3, 9.0], atol=0.0021)


def test_what_is_added_has_a_channel_of_its_own(tmp_path):
    edit = MidiEditor(FILES["several tracks and channels"])
    edit.add(pd.DataFrame({"start": [0.1], "sustained": [1.0], "pitch": [50], "velocity": [64]}), "new")
    track = mido.MidiFile(file=io.BytesIO(written(edit, tmp_path))).tracks[-1]
    assert {message.channel for message in track if message.type == "note_on"} == {1}  # 0, 3 and 9 are taken
    assert track.name == "new"


def test_drums_stay(tmp_path):
    edit = MidiEditor(FILES["several tracks and channels"])
    edit.remove(0, 100)
    drums = [
        m for t in mido.MidiFile(file=io.BytesIO(written(edit, tmp_path))).tracks for m in t if m.type == "note_on"
    ]
    assert [(message.channel, message.note) for message in drums] == [(9, 35)]


@pytest.mark.parametrize(
    "data", [b"", b"no midi", FILES["format 0"][:40], midi_bytes.file([(0, midi_bytes.on(60))], division=0xE728)]
)
def test_what_is_no_midi_file_is_refused(data):
    with pytest.raises(tempo_map.MidiError):
        MidiEditor(data)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 400), st.integers(58, 62)), min_size=1, max_size=25),
    st.floats(0, 3),
    st.floats(0, 3),
)
def test_removal_leaves_the_other_keys_alone(notes, start, length):
    """Whatever overlaps what: notes of other keys than those that lost a note are as they were."""
    data = midi_bytes.file(
        [event for on, long, key in notes for event in ((on, midi_bytes.on(key)), (on + long, midi_bytes.off(key)))]
    )
    before = midi_io.read_midi(data)
    edit = MidiEditor(data)
    edit.remove(start, start + length)
    stream = io.BytesIO()
    edit.file.save(file=stream)
    inside = (before["start"] >= start) & (before["start"] < start + length)
    touched = set(before.loc[inside, "pitch"])
    if set(before["pitch"]) == touched:
        return
    after = midi_io.read_midi(stream.getvalue())
    pd.testing.assert_frame_equal(
        after.loc[~after["pitch"].isin(touched), COLUMNS].reset_index(drop=True),
        before.loc[~before["pitch"].isin(touched), COLUMNS].reset_index(drop=True),
        rtol=0,
        atol=1e-12,
    )
