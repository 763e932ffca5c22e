"""Performances: timing, velocity, pedal and tempo are like those of a pianist."""

from itertools import pairwise

import numpy as np
import pytest

from stages.etudes.performance import LEAD_IN, perform
from tests.helpers.etude_scores import SCORES, for_each, with_melody


@for_each(SCORES)
def test_all_keys_and_the_pedal_are_released(score, messages):
    down, pedal = set(), 0
    for message in messages[score.title].tracks[1]:
        if message.type == "note_on" and message.velocity:
            assert message.note not in down
            down.add(message.note)
            assert len(down) <= 10
        elif message.type == "note_on":
            down.remove(message.note)
        elif message.type == "control_change":
            pedal = message.value
    assert not down
    assert pedal == 0


@for_each(SCORES)
def test_performance_is_like_that_of_a_pianist(score, performances):
    notes = performances[score.title].instruments[0].notes
    pitch, velocity, start, end = np.array([(note.pitch, note.velocity, note.start, note.end) for note in notes]).T
    assert pitch.min() >= 24
    assert pitch.max() <= 103
    assert np.mean((pitch >= 36) & (pitch <= 96)) > 0.9
    assert velocity.min() >= 18
    assert velocity.max() <= 120
    assert velocity.std() > 6
    assert (end - start).min() > 0.025
    assert (end - start).max() < 9
    # Notes of a chord do not begin in the same millisecond, and durations vary.
    together = np.diff(np.sort(start))
    together = together[together < 0.05]
    assert len(together) < 30 or 0.002 < np.median(together) < 0.03
    assert len(set(np.round(end - start, 4))) > len(notes) / 4


@with_melody
def test_melody_is_louder_and_earlier_than_the_other_voices(score):
    performance = perform(score)
    voice = {(note.start, note.pitch): note.voice for note in score.notes}
    beats = {note.start for note in score.notes if note.voice == "melody"} - {score.final_chord_start}
    played = {(note.pitch, note.start): note for note in performance.notes}
    late, louder = [], []
    for tick in beats:
        close = [note for (pitch, start), note in played.items() if abs(start - LEAD_IN - tick) < 30]
        melody = [note for note in close if voice.get((tick, note.pitch)) == "melody"]
        others = [note for note in close if voice.get((tick, note.pitch)) in ("bass", "inner")]
        late += [other.start - note.start for note in melody for other in others]
        louder += [note.velocity - other.velocity for note in melody for other in others]
    assert np.mean(late) > 5
    assert np.mean(louder) > 5


@for_each(SCORES)
def test_tempo_varies_and_slows_down_at_the_end(score, messages):
    tempos = [message.tempo for message in messages[score.title].tracks[0][1:-1]]
    assert tempos[-1] > 1.2 * np.median(tempos)
    body = tempos[: -3 * score.character.time_signature[0]]
    assert 1.02 < max(body) / min(body) < 1.5


@for_each(SCORES)
def test_pedal_changes_just_after_the_chords(score):
    performance = perform(score)
    edges = np.array([span.start + LEAD_IN for span in score.harmony])
    milliseconds = 60_000 / (480 * score.tempo * score.character.beat // 480)
    for tick, value in performance.pedal[1:-1]:
        late = (tick - edges[edges <= tick][-1]) * milliseconds
        assert (9 <= late <= 42) if value == 0 else (88 <= late <= 152 and value >= 64)
    values = [value for _, value in performance.pedal]
    assert all((before == 0) != (after == 0) for before, after in pairwise(values[1:]))
    pedal_fraction = sum(value > 0 for value in values) / len(edges)
    assert pedal_fraction == pytest.approx(score.character.pedal_fraction, abs=0.25)


def test_swing_moves_second_eighths_to_two_thirds():
    blues = next(score for score in SCORES if score.character.swing)
    places = [(note.start - LEAD_IN) % 480 / 480 for note in perform(blues).notes]
    off_beat = [place for place in places if 0.2 < place < 0.9]
    assert len(off_beat) > 50
    assert np.median(off_beat) == pytest.approx(2 / 3, abs=0.04)
