"""A piano roll of the page holds every note once, at its place."""

import re

import pandas as pd
import pytest

from stages.report import piano_roll
from tests.helpers import sample_reports


def test_every_note_is_drawn_once_at_its_place():
    notes = sample_reports.notes()
    scale = piano_roll.RollScale.fit([notes], sample_reports.SECONDS)
    drawn = []
    for path in piano_roll.note_paths(notes, scale.high):
        strokes = re.findall(r"M(\d+) (\d+)h(\d+)", path.data)
        drawn += [
            (int(start) / 100, scale.high - int(row), int(duration) / 100, path.generated, path.opacity)
            for start, row, duration in strokes
        ]
    drawn.sort()
    for (start, pitch, duration, generated, _), note in zip(drawn, notes.itertuples(), strict=True):
        assert (start, duration) == pytest.approx((note.start, note.sounding_duration), abs=0.0051)
        assert (pitch, generated) == (note.pitch, note.generated)
    opacities = [float(opacity) for *_, opacity in drawn]
    # The scale grows louder.
    assert opacities == sorted(opacities) and len(set(opacities)) == piano_roll.VELOCITY_LEVELS


def test_notes_with_another_index_are_drawn_the_same():
    # A sample's notes are rows of a larger table and keep their numbers there.
    notes = sample_reports.notes()
    moved = notes.set_index(pd.RangeIndex(100, 100 + len(notes)))
    assert list(piano_roll.note_paths(moved, 72)) == list(piano_roll.note_paths(notes, 72))


def test_a_scale_holds_all_notes_and_the_given_length():
    notes = sample_reports.notes()
    later = notes.assign(start=notes["start"] + 3, pitch=notes["pitch"] + 30)
    assert piano_roll.RollScale.fit([notes, later], 8.0) == piano_roll.RollScale(11.0, 48, 108)
    assert piano_roll.RollScale.fit([notes], 9.0).seconds == 9
    assert piano_roll.RollScale.fit([notes.head(0)], 0.0).seconds == 1


@pytest.mark.parametrize("seconds", [1.0, 8.0, 59.5, 61.0, 600.0, 4000.0])
def test_time_labels_are_few_and_not_cut_off(seconds):
    labels = piano_roll.RollScale(seconds, 48, 84).time_labels
    assert labels[0] == 0 and labels[-1] < seconds
    assert seconds > 1440 or len(labels) <= piano_roll.MAX_TIME_LABELS + 1
