"""The LSTM layer.

Keras' own runs, off a GPU, a whole cell in each turn of its loop over time, forwards and backwards. Here only what
depends on the turn before stays in the loop: the products with the input and those for the weights' gradient are made
once for all notes.
"""

import keras
from keras import ops

_SHUT = -1e4  # added to a gate before its sigmoid: nothing passes


class LSTM(keras.layers.Layer):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997; with forget gates, Gers et al., 2000).

    The gates stand in the order input, forget, output, candidate. Products are made in the layer's compute dtype, all
    else in float32. A state is a pair: the output, in the compute dtype, and the cell, float32, (batch, units) each.
    """

    def __init__(self, units: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape) -> None:
        """Make the weights for inputs of shape (..., features)."""
        self.kernel = self.add_weight(
            shape=(input_shape[-1], 4 * self.units), initializer="glorot_uniform", name="kernel"
        )
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, 4 * self.units), initializer="orthogonal", name="recurrent_kernel"
        )
        self.bias = self.add_weight(shape=(4 * self.units,), initializer=_remember, name="bias")

    def call(self, inputs, state=None, absent=None):
        """Read inputs of shape (batch, time, features) on from `state`; None is the state before everything.

        absent: bool, shape (batch, time): what is not to be read; it must come before all that is.
        Returns the outputs, shape (batch, time, units), and the state after the last of them.
        """
        driven = self._driven(inputs)
        if absent is not None:
            driven = driven + _SHUT * ops.cast(absent, driven.dtype)[..., None]
        h, c = self._begin(state, ops.shape(inputs)[0])
        outputs, c = _scan(ops.transpose(driven, (1, 0, 2)), self._recurrent(), h, c)
        return ops.transpose(outputs, (1, 0, 2)), (outputs[-1], c)

    def step(self, inputs, state):
        """`call` for one note: inputs of shape (batch, features); returns the new state, the output its first half."""
        h, c = self._begin(state, ops.shape(inputs)[0])
        h, c, *_ = _cell(self._driven(inputs), self._recurrent(), h, c)
        return h, c

    def _driven(self, inputs):
        # The inputs' share of all gates.
        dtype = self.compute_dtype
        return ops.matmul(ops.cast(inputs, dtype), ops.cast(self.kernel, dtype)) + ops.cast(self.bias, dtype)

    def _recurrent(self):
        return ops.cast(self.recurrent_kernel, self.compute_dtype)

    def _begin(self, state, batch):
        h, c = (ops.zeros((batch, self.units)),) * 2 if state is None else state
        return ops.cast(h, self.compute_dtype), ops.cast(c, "float32")


def _remember(shape, dtype=None):
    # Forget gates begin open, so that gradients reach far back (Jozefowicz et al., 2015).
    units = shape[0] // 4
    return ops.concatenate([ops.zeros((units,), dtype), ops.ones((units,), dtype), ops.zeros((2 * units,), dtype)])


def _cell(driven, recurrent, h, c):
    z = ops.cast(driven + ops.matmul(h, recurrent), "float32")
    units = recurrent.shape[0]
    gates, candidate = ops.sigmoid(z[:, : 3 * units]), ops.tanh(z[:, 3 * units :])
    i, f, o = ops.split(gates, 3, axis=-1)
    c = f * c + i * candidate
    return ops.cast(o * ops.tanh(c), driven.dtype), c, gates, candidate


@ops.custom_gradient
def _scan(driven, recurrent, h, c):
    # driven: (time, batch, 4 * units). Returns all outputs and the last cell, and how to go back.
    dtype, units = driven.dtype, recurrent.shape[0]

    def forwards(carried, driven):
        new = _cell(driven, recurrent, *carried[:2])
        return new, new  # Keras' scan on TensorFlow collects just what it carries

    nothing = ops.zeros_like(c)
    _, (hs, cs, gates, candidates) = ops.scan(forwards, (h, c, ops.tile(nothing, (1, 3)), nothing), driven)
    hs_before = ops.concatenate([h[None], hs[:-1]], axis=0)
    cs_before = ops.concatenate([c[None], cs[:-1]], axis=0)

    def gradient(*upstream):
        d_hs, d_last = upstream
        transposed = ops.transpose(recurrent)

        def backwards(carried, given):
            d_h, d_c, _ = carried
            d_output, c, c_before, gates, candidate = given
            i, f, o = ops.split(gates, 3, axis=-1)
            squashed = ops.tanh(c)
            d_h = ops.cast(d_h + d_output, "float32")
            d_c = d_c + d_h * o * (1 - squashed * squashed)
            d_gates = ops.concatenate([d_c * candidate, d_c * c_before, d_h * squashed], axis=-1)
            d_gates = d_gates * (gates * (1 - gates))
            d_candidate = d_c * i * (1 - candidate * candidate)
            d_driven = ops.cast(ops.concatenate([d_gates, d_candidate], axis=-1), dtype)
            new = ops.matmul(d_driven, transposed), d_c * f, d_driven
            return new, new

        end = ops.zeros_like(h), d_last, ops.tile(ops.zeros_like(h), (1, 4))
        given = d_hs, cs, cs_before, gates, candidates
        (d_h, d_c, _), (_, _, d_driven) = ops.scan(backwards, end, given, reverse=True)
        d_recurrent = ops.matmul(
            ops.transpose(ops.reshape(hs_before, (-1, units))), ops.reshape(d_driven, (-1, 4 * units))
        )
        return d_driven, d_recurrent, d_h, d_c

    return (hs, cs[-1]), gradient
