"""The bias towards the intervals and pitch classes of a piece, against counting note by note."""

import math

import numpy as np
import pytest

from stages.generation import preferences
from stages.generation.preferences import EXPECTED_NOTES, NUM_INTERVALS, NUM_PITCH_CLASSES, OBSERVED_NOTES
from stages.model import history
from tests.helpers.made_up_notes import random_fields


def fields_of(pitches):
    fields = np.ones((len(pitches), 4), np.int32)
    fields[:, 1] = pitches
    return fields


def random_log_probs(seed, notes):
    logits = np.random.default_rng(seed).normal(0, 2, (notes, 88))
    return np.log(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)


def bias_after(fields, log_probs, interval=0.0, pitch_class=0.0):
    state = preferences.preference_state(fields, log_probs)[None]
    row = history.note_rows(fields)[-1:] if len(fields) else history.padding_rows((1,))
    return np.asarray(preferences.pitch_bias(state, row.astype(np.int32), np.float32([interval, pitch_class])))[0]


def log_ratio(observed, expected, category, categories):
    notes = len(observed)
    q = (sum(p.get(category, 0) for p in expected) + EXPECTED_NOTES / categories) / (notes + EXPECTED_NOTES)
    return math.log((observed.count(category) + OBSERVED_NOTES * q) / (notes + OBSERVED_NOTES) / q)


def interval_between(previous, pitch):
    return max(-36, min(36, pitch - previous))


@pytest.mark.parametrize("seed, notes", [(1, 1), (2, 2), (3, 150)])
def test_the_bias_is_as_counted_note_by_note(seed, notes):
    pitches = np.random.default_rng(seed).integers(0, 88, notes).tolist()
    log_probs = random_log_probs(seed, notes)
    observed, expected = ([], []), ([], [])
    for index, pitch in enumerate(pitches):
        probabilities = [{}, {}]
        for key in range(88):
            categories = [key % 12] if index == 0 else [key % 12, interval_between(pitches[index - 1], key)]
            for sums, category in zip(probabilities, categories, strict=False):
                sums[category] = sums.get(category, 0) + math.exp(log_probs[index, key])
        observed[0].append(pitch % 12)
        expected[0].append(probabilities[0])
        if index:
            observed[1].append(interval_between(pitches[index - 1], pitch))
            expected[1].append(probabilities[1])
    found = bias_after(fields_of(pitches), log_probs, interval=0.7, pitch_class=0.3)
    for key in range(88):
        interval = interval_between(pitches[-1], key)
        by_interval = log_ratio(observed[1], expected[1], interval, NUM_INTERVALS)
        by_pitch_class = log_ratio(observed[0], expected[0], key % 12, NUM_PITCH_CLASSES)
        assert found[key] == pytest.approx(0.7 * by_interval + 0.3 * by_pitch_class, abs=2e-4)


def test_what_a_piece_uses_more_than_expected_becomes_likelier():
    even = np.full((40, 88), -np.log(88), np.float32)
    pitches = [30, 37, 44, 51] * 10  # fifths
    by_interval = bias_after(fields_of(pitches), even, interval=1.0)
    assert by_interval.argmax() == 51 + 7 and by_interval[51 + 6] < 0
    by_pitch_class = bias_after(fields_of(pitches), even, pitch_class=1.0)
    assert set(np.flatnonzero(by_pitch_class > 0) % 12) == {pitch % 12 for pitch in pitches}


def test_what_the_network_expected_too_becomes_no_likelier():
    pitches = [30, 37] * 200 + [44]
    certain = np.log(np.maximum(np.eye(88)[pitches], 1e-30)).astype(np.float32)
    even = np.full((len(pitches), 88), -np.log(88), np.float32)
    fifth = 44 + 7
    assert abs(bias_after(fields_of(pitches), certain, interval=1.0)[fifth]) < 0.05
    assert bias_after(fields_of(pitches), even, interval=1.0)[fifth] > 2


def test_without_notes_without_strength_or_in_a_trill_there_is_no_bias():
    assert not bias_after(fields_of([]), random_log_probs(1, 0), 1.0, 1.0).any()
    assert not bias_after(random_fields(1, 50), random_log_probs(1, 50)).any()
    trill = [40, 45, 52, 60, 62, 60]
    assert not bias_after(fields_of(trill), random_log_probs(2, 6), 1.0, 1.0).any()
    assert bias_after(fields_of([*trill, 64]), random_log_probs(2, 7), 1.0, 1.0).any()


def test_updating_note_by_note_gives_the_same_state():
    pieces = np.stack([random_fields(seed, 100) for seed in range(3)])
    log_probs = np.stack([random_log_probs(seed, 100) for seed in range(3)])
    past = zip(pieces[:, :40], log_probs[:, :40], strict=True)
    state = np.stack([preferences.preference_state(*notes) for notes in past])
    for note in range(40, 100):
        last, new = pieces[:, note - 1, 1], pieces[:, note, 1]
        state = preferences.update_preference_state(state, last, new, log_probs[:, note])
    whole = [preferences.preference_state(*piece) for piece in zip(pieces, log_probs, strict=True)]
    assert np.asarray(state) == pytest.approx(np.stack(whole), abs=1e-3)


def test_the_first_note_has_a_pitch_class_but_no_interval():
    empty = preferences.preference_state(fields_of([]), random_log_probs(1, 0))
    log_probs = random_log_probs(3, 1)
    last = np.int32([history.PAD_PITCH])
    state = np.asarray(preferences.update_preference_state(empty[None], last, np.int32([9]), log_probs))[0]
    assert state == pytest.approx(preferences.preference_state(fields_of([9]), log_probs))
    observed, expected = np.split(state, 2)
    assert not observed[:NUM_INTERVALS].any() and not expected[:NUM_INTERVALS].any()
    assert observed[NUM_INTERVALS:].tolist() == np.eye(12)[9].tolist() and expected.sum() == pytest.approx(1)
