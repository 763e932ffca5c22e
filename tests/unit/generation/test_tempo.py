"""The lean towards a longer time's pace: means, direction and the tilted distribution, against plain arithmetic."""

import numpy as np
import pytest

from stages.generation import tempo
from stages.representation.grid_encoding import STEP_EDGES


def fields(steps):
    found = np.zeros((len(steps), 4), np.int32)
    found[:, 0] = steps
    return found


def test_up_to_64_notes_both_are_the_mean():
    assert tempo.tempo_state(fields([])).tolist() == [0, 0, 0]
    assert tempo.tempo_state(fields([0, 30, 60])) == pytest.approx([3, *[np.log(31 * 61) / 3] * 2])
    notes, recent, longer = tempo.tempo_state(fields(range(64)))
    assert notes == 64 and recent == longer == pytest.approx(np.mean([np.log(1 + step) for step in range(64)]))


def test_beyond_that_the_recent_pace_follows_the_last_notes_faster():
    notes, recent, longer = tempo.tempo_state(fields([40] * 512 + [10] * 64))
    assert notes == 576
    assert recent == pytest.approx(np.log(11) + np.log(41 / 11) * (1 - 1 / 64) ** 64)
    assert longer == pytest.approx(np.log(11) + np.log(41 / 11) * (1 - 1 / 512) ** 64)


def test_note_by_note_it_is_the_same():
    steps = np.random.default_rng(1).integers(0, 200, (3, 700))
    pace = np.zeros((3, 3), np.float32)
    for step in steps.T:
        pace = tempo.update_tempo_state(pace, step)
    assert np.asarray(pace) == pytest.approx(np.stack([tempo.tempo_state(fields(each)) for each in steps]), rel=1e-4)


def test_the_lean_is_towards_the_longer_pace_and_in_proportion_to_steadiness():
    pace = np.float32([[600, 1, 2], [600, 2, 1], [600, 3, 3], [0, 0, 0], [9, 0, 0]])
    lean = np.asarray(tempo.step_logit_bias(pace, np.float32([0.7])))
    assert (np.diff(lean[0]) > 0).all() and (np.diff(lean[1]) < 0).all() and not lean[2:].any()
    assert np.asarray(tempo.step_logit_bias(pace, np.float32([1.4]))) == pytest.approx(2 * lean)
    assert not np.asarray(tempo.step_logit_bias(pace, np.float32([0]))).any()
    # Bin 3 is the single cell 3; the last bin's middle is that of its cells.
    assert np.exp(lean[0, 3]) == pytest.approx((1 + 3) ** 0.7)
    middle = np.mean(range(STEP_EDGES[-2], STEP_EDGES[-1]))
    assert np.exp(lean[1, -1]) == pytest.approx((1 + middle) ** -0.7)
