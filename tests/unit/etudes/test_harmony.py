"""Chords: their notes, and scale degrees while they sound."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.etudes.harmony import Key, chord
from tests.helpers.etude_scores import CHORDS, PITCH_CLASSES


@pytest.mark.parametrize(
    ("symbol", "key", "notes", "bass"),
    [
        ("I", "C major", "C E G", "C"),
        ("ii65", "C major", "D F A C", "F"),
        ("V7", "E-flat major", "B-flat D F A-flat", "B-flat"),
        ("V42", "C major", "G B D F", "F"),
        ("viio7/V", "C major", "F-sharp A C E-flat", "F-sharp"),
        ("V7/ii", "C major", "A C-sharp E G", "A"),
        ("V7/IV", "G major", "G B D F", "G"),
        ("V42/IV", "C major", "C E G B-flat", "B-flat"),
        ("iv6", "C major", "F A-flat C", "A-flat"),
        ("IV7", "A major", "D F-sharp A C", "D"),
        ("#ivo7", "A major", "E-flat F-sharp A C", "E-flat"),
        ("Imaj7", "D major", "D F-sharp A C-sharp", "D"),
        ("V", "A minor", "E G-sharp B", "E"),
        ("VII", "A minor", "G B D", "G"),
        ("#viio7", "A minor", "G-sharp B D F", "G-sharp"),
        ("bII6", "A minor", "B-flat D F", "D"),
        ("iiø7", "A minor", "B D F A", "B"),
        ("i64", "F minor", "F A-flat C", "C"),
        ("IV", "D dorian", "G B D", "G"),
        ("VII", "G mixolydian", "F A C", "F"),
    ],
)
def test_chords_have_the_notes_of_the_textbook(symbol, key, notes, bass):
    tonic, mode = key.split()
    found = chord(symbol, Key(PITCH_CLASSES[tonic], mode))
    assert [found.pitch(member) % 12 for member in found.members] == [PITCH_CLASSES[note] for note in notes.split()]
    assert found.pitch(found.members[found.inversion]) % 12 == PITCH_CLASSES[bass]


@given(st.sampled_from(CHORDS), st.integers(20, 60))
def test_degrees_rise_and_convert_back(current, degree):
    assert current.pitch(degree) < current.pitch(degree + 1)
    assert abs(current.degree(current.pitch(degree)) - degree) <= 1
    assert current.contains(current.nearest_tone(degree))
    assert abs(current.nearest_tone(degree) - degree) <= 2
    nearest = current.nearest_tone(degree)
    assert current.tone_above(current.tone_above(nearest, 3), -3) == nearest


def test_invalid_symbol_is_refused():
    with pytest.raises(ValueError, match="not a chord symbol: H7"):
        chord("H7", Key(0, "major"))
