"""The compiled loop samples from the distributions of the network, and keeps to what the grid allows."""

import numpy as np
import pytest

from stages.generation import drift, preferences, repetition, sampler
from stages.generation.continuation import ContinuationRequest, generate_continuations
from stages.generation.sampling_config import SamplingConfig
from stages.model import history
from stages.model.bilstm import HeadInputs, pointed_durations
from stages.representation import grid_encoding
from stages.representation.grid_encoding import DURATION, PITCH, STEP, VELOCITY
from tests.helpers.made_up_notes import random_fields

NO_NOTES = np.zeros((0, 4), np.int32)


def sample(probabilities, uniform, temperature=1.0, top_p=1.0, min_p=0.0):
    return np.asarray(sampler._sample(probabilities, uniform, temperature, top_p, min_p))


def first_notes(network, config, count=50):
    """Sample the first note of many improvisations: fields, shape (count, 4)."""
    request = ContinuationRequest([NO_NOTES] * count, num_notes=1)
    return np.concatenate(generate_continuations(network, request, 1, config))


def assert_mostly_equal(expected, found):
    # A random number on the edge between two choices may fall on either side when sums are added in another order.
    assert np.mean(np.asarray(expected) == found) > 0.97


@pytest.mark.slow
@pytest.mark.parametrize("bias", [0.0, 2.0])
def test_every_note_is_sampled_from_the_distributions_of_the_network(network, bias):
    """Compare the loop, which carries its state from note to note and call to call, with reading all notes at once."""
    prompt, num_notes = random_fields(6, 200), 2 * sampler.NOTES_PER_CALL + 7
    prompt[:, STEP] = 150  # far slower than what follows, so that the drift changes from call to call
    prompt[100:] = prompt[:100]  # a phrase to repeat
    request = ContinuationRequest([prompt], num_notes)
    config = SamplingConfig(drift_bias=bias, repeat_bias=10 * bias, preference_bias=(bias, bias / 2))
    (generated,) = generate_continuations(network, request, 4, config)
    uniforms = np.random.default_rng((4, 4, 0)).random((num_notes, 6), np.float32).T
    rows = np.concatenate([history.padding_rows((1,)), history.note_rows(np.concatenate([prompt, generated]))])[None]
    head_inputs = network.head_inputs(network.read_past(rows[:, :-1], None)[0], rows[:, :-1])
    all_pitch_log_probs = np.asarray(network.pitch_log_probs(head_inputs, rows[:, 1:], rows[:, :-1, PITCH]))[0]
    head_inputs = HeadInputs(*(part[0, len(prompt) :] for part in head_inputs[:4]))
    previous, rows = rows[0, len(prompt) : -1], rows[0, 1 + len(prompt) :]
    step, pitch, duration, velocity = rows[:, :4].T

    # After the highest key, or ten notes within 50 ms, the step cannot be 0, whatever the network says.
    elapsed = previous[:, history.ELAPSED][:, sampler.CHORD_NOTES - 2]
    chord = (elapsed >= 0) & (elapsed < sampler.CHORD_FRAMES)
    free = (previous[:, PITCH] != grid_encoding.NUM_KEYS - 1) & ~chord
    so_far = [np.concatenate([prompt, generated[:i]]) for i in range(num_notes)]
    preference_states = [preferences.preference_state(notes, all_pitch_log_probs[: len(notes)]) for notes in so_far]
    tilts = np.asarray(drift.tilts(np.stack([drift.drift_state(notes) for notes in so_far]), np.float32([bias] * 4)))
    repetition_states = np.stack([repetition.repetition_state(notes) for notes in so_far])
    step_bias, pitch_bias = map(np.asarray, repetition.repetition_bias(repetition_states, 10 * bias))
    assert (pitch_bias.max(axis=1) > 0).sum() >= 5 * bias
    log_probs = np.asarray(network.step_log_probs(head_inputs)) + step_bias + tilts[:, :1] * drift.STEP_MEASURE
    assert_mostly_equal(sample(np.exp(log_probs), uniforms[0])[free], grid_encoding.STEP_BIN[step][free])
    assert step[~free].all()

    log_probs = np.array(network.pitch_log_probs(head_inputs, rows, previous[:, PITCH]))
    preference_bias = preferences.pitch_bias(
        np.stack(preference_states), previous.astype(np.int32), np.float32([bias, bias / 2])
    )
    log_probs += pitch_bias + np.asarray(preference_bias) + tilts[:, 1:2] * drift.PITCH_MEASURE
    same_onset = np.flatnonzero((step == 0) & (previous[:, PITCH] < grid_encoding.NUM_KEYS))
    log_probs[same_onset, previous[same_onset, PITCH]] = -np.inf  # no pitch twice at one onset
    assert_mostly_equal(sample(np.exp(log_probs), uniforms[2]), pitch)

    pointed = np.log(np.maximum(pointed_durations(rows), 1))
    bins = np.broadcast_to(drift.DURATION_MEASURE, (num_notes, grid_encoding.DURATION_BINS))
    log_probs = np.asarray(network.duration_log_probs(head_inputs, rows))
    log_probs = log_probs + tilts[:, 2:3] * np.concatenate([bins, pointed], axis=1)
    choice = sample(np.exp(log_probs), uniforms[3])
    is_pointer = choice >= grid_encoding.DURATION_BINS
    assert is_pointer.sum() > 10
    assert_mostly_equal(choice[~is_pointer], grid_encoding.DURATION_BIN[duration[~is_pointer]])
    offset, target = np.divmod(choice[is_pointer] - grid_encoding.DURATION_BINS, history.NUM_RECENT)
    remaining = rows[is_pointer, history.REMAINING]
    assert_mostly_equal(remaining[np.arange(len(target)), target] + offset - 1, duration[is_pointer])

    log_probs = np.asarray(network.velocity_log_probs(head_inputs, rows)) + tilts[:, 3:] * drift.VELOCITY_MEASURE
    assert_mostly_equal(sample(np.exp(log_probs), uniforms[5]), velocity)


@pytest.mark.slow
def test_steps_have_the_frequencies_of_their_probabilities(network, two_notes_per_call):
    prompt = random_fields(5, 30)
    generated = generate_continuations(network, ContinuationRequest([prompt] * 4000, num_notes=1), seed=1)
    rows = np.concatenate([history.padding_rows((1,)), history.note_rows(prompt)])[None]
    head_inputs = network.head_inputs(network.read_past(rows, None)[0], rows)
    probabilities = np.exp(np.asarray(network.step_log_probs(head_inputs)))[0, -1]
    bins = grid_encoding.STEP_BIN[[fields[0, STEP] for fields in generated]]
    counts = np.bincount(bins, minlength=grid_encoding.STEP_BINS)
    deviation = np.sqrt(4000 * probabilities * (1 - probabilities) + 1)
    assert np.abs((counts - 4000 * probabilities) / deviation).max() < 4.5


@pytest.mark.parametrize("tilt", [-2000.0, 2000.0])
def test_however_strong_a_bias_the_choice_is_the_one_it_favours(tilt):
    log_probs = np.log(np.array([[0.2, 0.5, 0.3]], np.float32)) + tilt * np.arange(3, dtype=np.float32)
    weights = sampler._unnormalized(log_probs)
    assert sample(weights, np.array([0.999], np.float32)).tolist() == [2 if tilt > 0 else 0]


def test_notes_are_within_the_grid_and_in_order(network):
    ends = [grid_encoding.STEP_FRAMES, grid_encoding.NUM_KEYS, grid_encoding.DURATION_FRAMES + 1, 32]
    for fields in generate_continuations(network, ContinuationRequest([NO_NOTES] * 16, 200), seed=3):
        assert fields.min() >= 0 and (fields < ends).all()
        assert fields[:, DURATION].min() >= 1
        same_onset = fields[1:, STEP] == 0
        assert (fields[1:, PITCH] > fields[:-1, PITCH])[same_onset].all()
        decoded = grid_encoding.decode(fields)
        assert (grid_encoding.encode(decoded)[1:] == fields[1:]).all()


@pytest.mark.parametrize("chord", [9, 10, 15])
def test_at_most_ten_notes_begin_within_50_ms(network, chord):
    """A network whose every step is as short as may be; after a chord of 15 in the prompt, too."""
    prompt = np.array([[0, 20 + 2 * number, 30, 16] for number in range(chord)], np.int32)
    bias = network.step_logits.bias.numpy()
    network.step_logits.bias.assign(-10.0 * np.arange(grid_encoding.STEP_BINS))
    try:
        (generated,) = generate_continuations(network, ContinuationRequest([prompt], 60), seed=3)
    finally:
        network.step_logits.bias.assign(bias)
    frames = np.cumsum(np.concatenate([prompt, generated])[:, STEP])
    first = max(chord, 10)  # the first note that has ten before it
    assert (frames[first:] - frames[first - 10 : -10]).min() == sampler.CHORD_FRAMES
    assert (frames[chord] == 0) == (chord < 10)


@pytest.mark.slow
def test_low_temperature_and_low_top_p_sample_the_likeliest(network, two_notes_per_call):
    def velocities(fields):
        return len(set(fields[:, VELOCITY].tolist()))

    unmodified = first_notes(network, SamplingConfig())
    assert velocities(first_notes(network, SamplingConfig(temperature=0.05))) < velocities(unmodified)
    only_velocity = first_notes(network, SamplingConfig(temperature=(1.0, 1.0, 1.0, 0.05)))
    assert (only_velocity[:, :VELOCITY] == unmodified[:, :VELOCITY]).all()
    assert velocities(only_velocity) < velocities(unmodified)
    narrow = first_notes(network, SamplingConfig(top_p=0.001))
    assert len(set(grid_encoding.STEP_BIN[narrow[:, STEP]].tolist())) == 1


@pytest.mark.parametrize(
    "probabilities, temperature, top_p, min_p, expected",
    [
        ([0.5, 0.3, 0.2], 1.0, 0.8, 0.0, [5 / 8, 3 / 8, 0]),
        ([0.1, 0.0, 0.9], 1.0, 1.0, 0.0, [0.1, 0, 0.9]),
        ([0.5, 0.3, 0.2], 1.0, 1.0, 0.5, [5 / 8, 3 / 8, 0]),
        ([0.5, 0.3, 0.2], 1.0, 0.6, 0.5, [5 / 8, 3 / 8, 0]),
        ([0.5, 0.3, 0.2], 0.5, 1.0, 0.0, [25 / 38, 9 / 38, 4 / 38]),
        ([0.5, 0.3, 0.2], 0.5, 1.0, 0.35, [25 / 34, 9 / 34, 0]),
        ([0.9, 0.08, 0.02], 1.0, 1.0, 0.5, [90 / 98, 8 / 98, 0]),  # half of 0.1, not of 0.9
        ([0.0, 1e-6, 1e-5], 0.05, 1.0, 0.0, [0, 0, 1]),  # all possible choices have a low probability
    ],
)
def test_temperature_is_applied_before_top_p_and_min_p(probabilities, temperature, top_p, min_p, expected):
    uniform = np.linspace(0, 1, 10_001, dtype=np.float32)
    batch = np.tile(np.float32(probabilities), (len(uniform), 1))
    choices = sample(batch, uniform, temperature, top_p, min_p)
    assert np.bincount(choices, minlength=3) / len(uniform) == pytest.approx(expected, abs=2e-3)
