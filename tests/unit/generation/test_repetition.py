"""The bias towards repeating phrases, against a search by brute force."""

import numpy as np
import pytest

from stages.generation import repetition
from stages.generation.repetition import FULL_MATCH, HISTORY_NOTES, MAX_MATCH, MIN_MATCH, STEP_TOLERANCE
from stages.representation.grid_encoding import STEP_BINS


def fields_of(pitches, steps=None):
    fields = np.ones((len(pitches), 4), np.int32)
    fields[:, 1] = pitches
    if steps is not None:
        fields[:, 0] = steps
    return fields


def bias_after(fields, strength=1.0):
    state = repetition.repetition_state(fields)[None]
    return [np.asarray(bias)[0] for bias in repetition.repetition_bias(state, np.float32([strength]))]


def longest_match(pitches):
    """Return the length of the longest earlier occurrence of the last notes, and the index of the note after it."""
    best = (0, None)
    for end in range(1, len(pitches)):  # an occurrence ends before note `end`
        length = 0
        while length < end and pitches[end - 1 - length] == pitches[-1 - length]:
            length += 1
        if length >= best[0]:
            best = (length, end)
    return best


@pytest.mark.parametrize("seed", range(30))
def test_the_note_after_the_longest_match_becomes_likelier(seed):
    rng = np.random.default_rng(seed)
    pitches = rng.integers(40, 40 + rng.integers(2, 5), 150)  # few pitches, so that there are matches of all lengths
    length, following = longest_match(pitches.tolist())
    step_bias, pitch_bias = bias_after(fields_of(pitches))
    strength = min(length - MIN_MATCH + 1, FULL_MATCH) / FULL_MATCH if MIN_MATCH <= length <= MAX_MATCH else 0
    expected = np.zeros(88)
    if pitches[following] not in pitches[-2:]:
        expected[pitches[following]] = strength
    assert pitch_bias == pytest.approx(expected)
    assert step_bias.max() == pytest.approx(strength, abs=1e-6)


def test_steps_about_as_long_as_the_one_that_followed_become_likelier():
    # After 1, 2, 3 came a step of 9 frames.
    step_bias, pitch_bias = bias_after(fields_of([1, 2, 3, 4, 1, 2, 3], [0, 5, 5, 9, 5, 5, 5]), strength=6)
    assert pitch_bias[4] == pytest.approx(6 / FULL_MATCH) and pitch_bias.sum() == pytest.approx(6 / FULL_MATCH)
    assert step_bias.shape == (STEP_BINS,) and step_bias.argmax() == 9
    distance = np.log(11 / 10)
    assert step_bias[10] == pytest.approx(6 / FULL_MATCH * np.exp(-((distance / STEP_TOLERANCE) ** 2) / 2), rel=1e-4)


def test_nothing_changes_without_a_match_or_without_strength():
    for pitches, strength in [([], 9), ([1, 2, 5, 4, 1, 2], 9), ([1, 2, 3, 4, 1, 2, 3], 0)]:
        assert not np.concatenate(bias_after(fields_of(pitches), strength)).any()


def test_a_loop_ends():
    assert bias_after(fields_of([1, 2, 3, 4] * (MAX_MATCH // 4)))[1].any()
    assert not np.concatenate(bias_after(fields_of([1, 2, 3, 4] * (MAX_MATCH // 2)))).any()
    assert not bias_after(fields_of([7] * 10))[1].any()
    assert not bias_after(fields_of([1, 2] * 5))[1].any()


def test_updating_note_by_note_gives_the_same_state():
    pieces = np.random.default_rng(5).integers(0, 3, (2, HISTORY_NOTES + 100, 4), np.int32)
    state = np.stack([repetition.repetition_state(piece[:-40]) for piece in pieces])
    for note in range(-40, 0):
        state = repetition.update_repetition_state(state, pieces[:, note])
    assert (np.asarray(state) == np.stack([repetition.repetition_state(piece) for piece in pieces])).all()
