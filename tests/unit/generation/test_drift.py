"""The bias towards the long-term means: measures, means, direction and strength, against plain arithmetic."""

import numpy as np
import pytest

from stages.generation import drift
from stages.representation.grid_encoding import DURATION, DURATION_EDGES, PITCH, STEP, STEP_EDGES, VELOCITY
from tests.helpers.made_up_notes import random_fields


def fields_of(field, values):
    fields = np.zeros((len(values), 4), np.int32)
    fields[:, field] = values
    return fields


def test_measures_by_hand():
    note = np.array([30, 40, 250, 20])  # 24 keys are two octaves, and 16 MIDI velocities 4 bins
    expected = [np.log(31), 40 / 12, np.log(250), 5]
    assert np.asarray(drift.measures(note)) == pytest.approx(expected)
    assert np.asarray(drift.measures(np.zeros(4, int))) == pytest.approx([0, 0, 0, 0])


@pytest.mark.parametrize(
    "field, of_choices, edges",
    [
        (STEP, drift.STEP_MEASURE, STEP_EDGES),
        (PITCH, drift.PITCH_MEASURE, np.arange(89)),
        (DURATION, drift.DURATION_MEASURE, DURATION_EDGES),
        (VELOCITY, drift.VELOCITY_MEASURE, np.arange(33)),
    ],
)
def test_a_choice_has_the_measure_of_its_values(field, of_choices, edges):
    lowest, highest = (
        np.asarray(drift.measures(fields_of(field, values)))[:, field] for values in (edges[:-1], edges[1:] - 1)
    )
    assert of_choices.shape == (len(edges) - 1,)
    assert (lowest - 1e-6 <= of_choices).all() and (of_choices <= highest + 1e-6).all()
    assert (np.diff(of_choices) > 0).all()


def test_up_to_64_notes_both_are_the_mean():
    assert drift.drift_state(fields_of(STEP, [])).tolist() == [0] * 9
    state = drift.drift_state(fields_of(STEP, [0, 30, 60]))
    assert state == pytest.approx([3, *[np.log(31 * 61) / 3, 0, 0, 0] * 2])
    number, *means = drift.drift_state(fields_of(VELOCITY, [step % 32 for step in range(64)]))
    assert number == 64 and means == pytest.approx([0, 0, 0, 15.5 / 4] * 2)


def test_with_more_notes_the_recent_mean_follows_the_last_ones_faster():
    state = drift.drift_state(fields_of(PITCH, [36] * 512 + [60] * 64))
    assert state[0] == 576
    assert state[1 + PITCH] == pytest.approx(5 - 2 * (1 - 1 / 64) ** 64)
    assert state[5 + PITCH] == pytest.approx(5 - 2 * (1 - 1 / 512) ** 64)


def test_updating_note_by_note_gives_the_same_state():
    pieces = [random_fields(seed, 700) for seed in range(3)]
    state = np.zeros((3, 9), np.float32)
    for notes in zip(*pieces, strict=True):
        state = drift.update_drift_state(state, np.stack(notes))
    assert np.asarray(state) == pytest.approx(np.stack([drift.drift_state(piece) for piece in pieces]), rel=1e-4)


def test_the_tilt_is_towards_the_long_term_and_proportional_to_its_strength():
    state = np.float32([[600, 1, 2, 3, 4, 2, 1, 3, 4.5], [0] * 9])
    assert np.asarray(drift.tilts(state, np.float32([0.7, 2, 9, 1]))) == pytest.approx(
        np.array([[0.7, -2, 0, 0.5], [0] * 4])
    )
