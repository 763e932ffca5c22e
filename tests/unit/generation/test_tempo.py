"""The bias towards the long-term tempo: means, direction and tilted distribution, against plain arithmetic."""

import numpy as np
import pytest

from stages.generation import tempo
from stages.representation.grid_encoding import STEP_EDGES


def fields_of(steps):
    fields = np.zeros((len(steps), 4), np.int32)
    fields[:, 0] = steps
    return fields


def test_up_to_64_notes_both_are_the_mean():
    assert tempo.tempo_state(fields_of([])).tolist() == [0, 0, 0]
    assert tempo.tempo_state(fields_of([0, 30, 60])) == pytest.approx([3, *[np.log(31 * 61) / 3] * 2])
    notes, recent, long_term = tempo.tempo_state(fields_of(range(64)))
    assert notes == 64 and recent == long_term == pytest.approx(np.mean([np.log(1 + step) for step in range(64)]))


def test_with_more_notes_the_recent_mean_follows_the_last_ones_faster():
    notes, recent, long_term = tempo.tempo_state(fields_of([40] * 512 + [10] * 64))
    assert notes == 576
    assert recent == pytest.approx(np.log(11) + np.log(41 / 11) * (1 - 1 / 64) ** 64)
    assert long_term == pytest.approx(np.log(11) + np.log(41 / 11) * (1 - 1 / 512) ** 64)


def test_updating_note_by_note_gives_the_same_state():
    steps = np.random.default_rng(1).integers(0, 200, (3, 700))
    state = np.zeros((3, 3), np.float32)
    for step in steps.T:
        state = tempo.update_tempo_state(state, step)
    assert np.asarray(state) == pytest.approx(np.stack([tempo.tempo_state(fields_of(row)) for row in steps]), rel=1e-4)


def test_the_bias_is_towards_the_long_term_tempo_and_proportional_to_its_strength():
    state = np.float32([[600, 1, 2], [600, 2, 1], [600, 3, 3], [0, 0, 0], [9, 0, 0]])
    bias = np.asarray(tempo.step_logit_bias(state, np.float32([0.7])))
    assert (np.diff(bias[0]) > 0).all() and (np.diff(bias[1]) < 0).all() and not bias[2:].any()
    assert np.asarray(tempo.step_logit_bias(state, np.float32([1.4]))) == pytest.approx(2 * bias)
    assert not np.asarray(tempo.step_logit_bias(state, np.float32([0]))).any()
    # Bin 3 is the single frame 3; the last bin counts as the middle of its frames.
    assert np.exp(bias[0, 3]) == pytest.approx((1 + 3) ** 0.7)
    middle = np.mean(range(STEP_EDGES[-2], STEP_EDGES[-1]))
    assert np.exp(bias[1, -1]) == pytest.approx((1 + middle) ** -0.7)
