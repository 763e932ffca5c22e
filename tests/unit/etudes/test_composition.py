"""Scores obey the rules of harmony, form and melody."""

from itertools import groupby, pairwise

import numpy as np

from stages.etudes.harmony import MODES
from stages.etudes.style import CHARACTERS, PATTERNS
from tests.helpers.etude_scores import PITCH_CLASSES, SCORES, for_each, with_chords, with_melody


@for_each(SCORES)
def test_spans_have_no_gaps(score):
    assert score.harmony[0].start == 0
    assert score.harmony[0].chord.key == score.harmony[-1].chord.key == score.key
    assert all(before.end == after.start for before, after in pairwise(score.harmony))
    assert score.harmony[-1].end == score.final_chord_start + score.character.bar == score.phrases[-1].end


@for_each(SCORES)
def test_every_note_belongs_to_its_chord_or_scale_and_ends_with_it(score):
    walking = score.character.patterns[0] in ("walking", "imitation")
    for note in score.notes:
        current = score.harmony.at(note.start).chord
        pitch_class = (note.pitch - current.key.tonic) % 12
        scale = {offset % 12 for offset in current.offsets}
        tones = {current.offsets[member] % 12 for member in current.members}
        assert pitch_class in scale
        assert note.end <= score.harmony.at(note.start).end
        on_beat = note.start % score.character.beat == 0
        if note.voice == "melody" and on_beat:
            assert pitch_class in tones
        if note.voice in ("inner", "bass") and not walking:
            assert pitch_class in tones
        if note.voice == "bass" and score.character.patterns[0] == "walking":
            assert pitch_class in tones or note.start not in {span.start for span in score.harmony}


@with_chords
def test_every_chord_has_its_bass(score):
    basses = {note.start: note.pitch for note in reversed(score.notes) if note.voice == "bass"}
    for span in score.harmony:
        member = 0 if score.character.patterns[0] == "walking" else span.chord.inversion
        expected = (span.chord.key.tonic + span.chord.offsets[span.chord.members[member]]) % 12
        assert basses[span.start] % 12 == expected


@for_each(SCORES)
def test_piece_ends_with_its_tonic(score):
    tonic = PITCH_CLASSES[score.title.split(" in ")[1].split()[0]]
    third = 3 if score.key.mode in ("minor", "dorian") else 4
    last = [note.pitch for note in score.notes if note.start == score.final_chord_start]
    assert {pitch % 12 for pitch in last} == {tonic, (tonic + third) % 12, (tonic + 7) % 12}
    assert min(last) % 12 == max(last) % 12 == tonic
    assert max(note.end for note in score.notes) == score.harmony[-1].end


@for_each(SCORES)
def test_melody_cadences_on_the_tonic(score):
    """Where a phrase ends with the tonic chord, the last bar of the melody begins with the tonic."""
    rests = 0
    for phrase in score.phrases:
        tick = phrase.start + 3 * score.character.bar
        current = score.harmony.at(tick).chord
        sung = [note.pitch for note in score.notes if note.start == tick and note.voice == "melody"]
        if current.members[0] == 0 and sung:
            rests += 1
            assert {(pitch - current.key.tonic) % 12 for pitch in sung} == {0}
    assert rests or score.character.rhythms == "none" or score.character.family == "blues"


@for_each(SCORES)
def test_first_section_returns_recognizably(score):
    """It returns with the same chords and with every accented note of its melody."""
    character, number = score.character, int(score.title.split("No. ")[1].split()[0])
    form = character.forms[(number - 1) % len(character.forms)]
    length = score.final_chord_start // len(form) if character.family != "blues" else 12 * character.bar
    again = form.index("A", 1) * length
    half = length // 2  # the way to another key may change the last bar

    def chords(start):
        return [span.chord for span in score.harmony if start <= span.start < start + half]

    def accents(start):
        return {
            (note.start - start, note.pitch)
            for note in score.notes
            if note.voice == "melody" and start <= note.start < start + half and note.start % character.beat == 0
        }

    assert chords(0) == chords(again)
    assert accents(0) <= accents(again)


@with_melody
def test_melody_moves_mostly_stepwise_and_repeats_few_notes(score):
    tops = [
        max(note.pitch for note in together)
        for _, together in groupby((note for note in score.notes if note.voice == "melody"), lambda note: note.start)
    ]
    moves = np.abs(np.diff(tops))
    assert np.mean(moves <= 4) > 0.5
    assert np.mean(moves == 0) < 0.4
    assert np.mean(moves > 12) < 0.06


@for_each(SCORES)
def test_notes_are_sorted_and_unique(score):
    assert list(score.notes) == sorted(score.notes, key=lambda note: (note.start, note.pitch))
    assert all(note.start < note.end for note in score.notes)
    assert len({(note.start, note.pitch) for note in score.notes}) == len(score.notes)


def test_corpus_has_variety():
    assert {score.key.mode for score in SCORES} == set(MODES)
    assert len({score.key.tonic for score in SCORES}) == 12
    assert len({score.character.time_signature for score in SCORES}) == 3
    used = {name for character in CHARACTERS for name in character.patterns}
    assert used - {"walking", "imitation"} == set(PATTERNS)
