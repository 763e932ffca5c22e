"""The optimizer: every gate is orthogonalised by itself, and Adam updates what is not between hidden layers."""

import keras
import numpy as np
import pytest

from stages.model.bilstm import BiLSTM
from stages.training.muon import Muon


def singular_values(matrix):
    return np.linalg.svd(np.asarray(matrix, np.float64), compute_uv=False)


@pytest.mark.parametrize("compute_dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("shape, parts", [((8, 32), 4), ((12, 8), 1), ((8, 12), 1)])
def test_updates_are_orthogonal_gate_by_gate(shape, parts, compute_dtype):
    matrix = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    # One gate has far larger gradients than the others, which must not suffer from it.
    matrix[:, : shape[1] // parts] *= 1000
    orthogonal = np.asarray(Muon(0.01, compute_dtype=compute_dtype).zeropower_via_newtonschulz5(matrix, 5))
    assert orthogonal.shape == shape and orthogonal.dtype == np.float32
    for gate, before in zip(np.split(orthogonal, parts, axis=1), np.split(matrix, parts, axis=1), strict=True):
        # Five iterations bring singular values near one, not to it; the method needs no more.
        assert singular_values(gate).min() > 0.4 and singular_values(gate).max() < 1.4
        u, _, v = np.linalg.svd(before, full_matrices=False)
        assert np.sum(gate * (u @ v)) / np.linalg.norm(gate) / np.linalg.norm(u @ v) > 0.95


def test_muon_updates_kernels_between_hidden_layers_and_adam_the_rest():
    network = BiLSTM(lstm_units=8, trunk_units=8, head_units=8, max_gap_notes=4)
    optimizer = Muon(0.01)
    optimizer.build(network.trainable_variables)
    muon = {
        "/".join(variable.path.split("/")[-2:])
        for variable, velocity in zip(network.trainable_variables, optimizer.adam_velocities, strict=True)
        if velocity is None
    }
    assert muon == {
        "forward_lstm/recurrent_kernel",
        "backward_lstm/recurrent_kernel",
        "past_proj/kernel",
        "future_proj/kernel",
        "head_proj/kernel",
    }


def test_it_minimises_a_loss():
    keras.utils.set_random_seed(1)
    network = keras.Sequential([keras.layers.Dense(8, name="past_proj"), keras.layers.Dense(1)])
    network.compile(Muon(0.02), loss="mse")
    x = np.random.default_rng(1).normal(size=(64, 8)).astype(np.float32)
    y = np.tanh(x.sum(axis=1, keepdims=True))
    before = network.evaluate(x, y, verbose=0)
    network.fit(x, y, epochs=30, verbose=0)
    assert network.evaluate(x, y, verbose=0) < before / 5
