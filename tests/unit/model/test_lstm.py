"""The LSTM layer against Keras' own, forwards and backwards."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from stages.model.lstm import LSTM

LANES, TIME, FEATURES, UNITS = 3, 7, 5, 4


@pytest.fixture
def pair():
    """Our layer and Keras', with the same weights."""
    keras.utils.set_random_seed(1)
    ours, theirs = LSTM(UNITS), keras.layers.LSTM(UNITS, return_sequences=True, return_state=True)
    ours.build((None, None, FEATURES))
    theirs.build((None, None, FEATURES))
    ours.bias.assign(np.random.default_rng(1).normal(size=ours.bias.shape))
    theirs.set_weights([_their_order(weight) for weight in ours.get_weights()])
    return ours, theirs


def _their_order(weight):
    # Keras has the candidate before the output gate.
    i, f, o, g = np.split(np.asarray(weight), 4, axis=-1)
    return np.concatenate([i, f, g, o], axis=-1)


def given(seed=2):
    random = np.random.default_rng(seed)
    return (
        tf.constant(random.normal(size=(LANES, TIME, FEATURES)), "float32"),
        [tf.constant(random.normal(size=(LANES, UNITS)), "float32") for _ in range(2)],
    )


def test_outputs_and_gradients_are_those_of_keras(pair):
    inputs, state = given()
    random = np.random.default_rng(3)
    weigh = [random.normal(size=shape) for shape in [(LANES, TIME, UNITS), (LANES, UNITS), (LANES, UNITS)]]
    results = []
    for layer in pair:
        with tf.GradientTape() as tape:
            tape.watch([inputs, *state])
            outputs, *after = layer(inputs, state) if isinstance(layer, LSTM) else layer(inputs, initial_state=state)
            if isinstance(layer, LSTM):
                after = after[0]
            parts = zip([outputs, *after], weigh, strict=True)
            loss = sum(tf.reduce_sum(part * tf.constant(by, "float32")) for part, by in parts)
        gradients = tape.gradient(loss, [*layer.trainable_variables, inputs, *state])
        results.append([np.asarray(value) for value in (outputs, *after, *gradients)])
    ours, theirs = results
    for place in (3, 4, 5):
        ours[place] = _their_order(ours[place])
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_note_by_note_is_the_same_as_all_at_once(pair):
    ours, _ = pair
    inputs, state = given()
    outputs, end = ours(inputs, state)
    for time in range(TIME):
        state = ours.step(inputs[:, time], state)
        np.testing.assert_allclose(state[0], outputs[:, time], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(state[1], end[1], rtol=1e-5, atol=1e-6)


def test_what_is_absent_leaves_no_trace(pair):
    ours, _ = pair
    inputs, _ = given()
    absent = np.zeros((LANES, TIME), bool)
    absent[1, :3] = absent[2, :] = True
    outputs, (h, c) = ours(inputs, absent=absent)
    assert not np.asarray(outputs)[absent].any()
    assert not np.asarray(h)[2].any() and not np.asarray(c)[2].any()
    shorter, _ = ours(inputs[1:2, 3:])
    np.testing.assert_allclose(outputs[1, 3:], shorter[0], rtol=1e-5, atol=1e-6)


def test_forget_gates_begin_open():
    layer = LSTM(UNITS)
    layer.build((None, None, FEATURES))
    assert np.asarray(layer.bias).tolist() == [0] * UNITS + [1] * UNITS + [0] * 2 * UNITS


def test_low_precision_is_close():
    keras.utils.set_random_seed(1)
    inputs, _ = given()
    exact, low = LSTM(UNITS), LSTM(UNITS, dtype="mixed_bfloat16")
    for layer in (exact, low):
        layer.build((None, None, FEATURES))
    low.set_weights(exact.get_weights())
    outputs, state = low(inputs)
    assert (outputs.dtype, state[1].dtype) == (tf.bfloat16, tf.float32)
    np.testing.assert_allclose(tf.cast(outputs, "float32"), exact(inputs)[0], atol=0.03)
