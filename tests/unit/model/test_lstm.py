"""The LSTM layer compared with that of Keras, forward and backward."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from stages.model.lstm import LSTM

BATCH_SIZE, TIME, FEATURES, UNITS = 3, 7, 5, 4


@pytest.fixture
def pair():
    """Our layer and that of Keras, with the same weights."""
    keras.utils.set_random_seed(1)
    ours, theirs = LSTM(UNITS), keras.layers.LSTM(UNITS, return_sequences=True, return_state=True)
    ours.build((None, None, FEATURES))
    theirs.build((None, None, FEATURES))
    ours.bias.assign(np.random.default_rng(1).normal(size=ours.bias.shape))
    theirs.set_weights([_keras_gate_order(weight) for weight in ours.get_weights()])
    return ours, theirs


def _keras_gate_order(weight):
    # In Keras the candidate comes before the output gate.
    input_gate, forget_gate, output_gate, candidate = np.split(np.asarray(weight), 4, axis=-1)
    return np.concatenate([input_gate, forget_gate, candidate, output_gate], axis=-1)


def random_inputs_and_state():
    random = np.random.default_rng(2)
    return (
        tf.constant(random.normal(size=(BATCH_SIZE, TIME, FEATURES)), "float32"),
        [tf.constant(random.normal(size=(BATCH_SIZE, UNITS)), "float32") for _ in range(2)],
    )


def test_outputs_and_gradients_match_keras(pair):
    inputs, state = random_inputs_and_state()
    random = np.random.default_rng(3)
    shapes = (BATCH_SIZE, TIME, UNITS), (BATCH_SIZE, UNITS), (BATCH_SIZE, UNITS)
    loss_weights = [random.normal(size=shape) for shape in shapes]
    results = []
    for layer in pair:
        with tf.GradientTape() as tape:
            tape.watch([inputs, *state])
            if isinstance(layer, LSTM):
                outputs, new_state = layer(inputs, state)
            else:
                outputs, *new_state = layer(inputs, initial_state=state)
            parts = zip([outputs, *new_state], loss_weights, strict=True)
            loss = sum(tf.reduce_sum(part * tf.constant(weight, "float32")) for part, weight in parts)
        gradients = tape.gradient(loss, [*layer.trainable_variables, inputs, *state])
        results.append([np.asarray(value) for value in (outputs, *new_state, *gradients)])
    ours, theirs = results
    for index in (3, 4, 5):  # the gradients of the weights
        ours[index] = _keras_gate_order(ours[index])
    for value, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)


def test_advancing_step_by_step_matches_reading_the_sequence(pair):
    ours, _ = pair
    inputs, state = random_inputs_and_state()
    outputs, last_state = ours(inputs, state)
    for time in range(TIME):
        state = ours.advance(inputs[:, time], state)
        np.testing.assert_allclose(state[0], outputs[:, time], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(state[1], last_state[1], rtol=1e-5, atol=1e-6)


def test_padding_leaves_outputs_and_state_at_zero(pair):
    ours, _ = pair
    inputs, _ = random_inputs_and_state()
    padding_mask = np.zeros((BATCH_SIZE, TIME), bool)
    padding_mask[1, :3] = padding_mask[2, :] = True
    outputs, (output, cell) = ours(inputs, padding_mask=padding_mask)
    assert not np.asarray(outputs)[padding_mask].any()
    assert not np.asarray(output)[2].any() and not np.asarray(cell)[2].any()
    shorter, _ = ours(inputs[1:2, 3:])
    np.testing.assert_allclose(outputs[1, 3:], shorter[0], rtol=1e-5, atol=1e-6)


def test_forget_gates_are_open_at_first():
    layer = LSTM(UNITS)
    layer.build((None, None, FEATURES))
    assert np.asarray(layer.bias).tolist() == [0] * UNITS + [1] * UNITS + [0] * 2 * UNITS


def test_bfloat16_is_close_to_float32():
    keras.utils.set_random_seed(1)
    inputs, _ = random_inputs_and_state()
    exact, low = LSTM(UNITS), LSTM(UNITS, dtype="mixed_bfloat16")
    for layer in (exact, low):
        layer.build((None, None, FEATURES))
    low.set_weights(exact.get_weights())
    outputs, state = low(inputs)
    assert (outputs.dtype, state[1].dtype) == (tf.bfloat16, tf.float32)
    np.testing.assert_allclose(tf.cast(outputs, "float32"), exact(inputs)[0], atol=0.03)
