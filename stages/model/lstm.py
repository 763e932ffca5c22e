"""An LSTM layer whose loop over time is short.

Off a GPU, Keras' own layer computes the whole LSTM cell inside its loop over time, forward and backward. Here the loop
holds only what depends on the previous time step. The products with the inputs and the gradients of the weights are
computed for all time steps at once.
"""

import keras
from keras import ops

MASKED_GATE = -1e4  # added to a gate before its sigmoid, which is then exactly zero


class LSTM(keras.layers.Layer):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997) with forget gates (Gers et al., 2000).

    The weights hold the gates in the order input, forget, output, candidate. Matrix products are computed in the
    layer's compute dtype, all else in float32. A state is a pair of the output, in the compute dtype, and the cell
    state, float32, both of shape (batch, units).

    Args:
        units: Size of the output and of the cell state.
    """

    def __init__(self, units: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape) -> None:
        """Create the weights for inputs of shape (..., features)."""
        self.kernel = self.add_weight(
            shape=(input_shape[-1], 4 * self.units), initializer="glorot_uniform", name="kernel"
        )
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, 4 * self.units), initializer=_orthogonal, name="recurrent_kernel"
        )
        self.bias = self.add_weight(shape=(4 * self.units,), initializer=_unit_forget_bias, name="bias")

    def call(self, inputs, state=None, padding_mask=None):
        """Read a sequence.

        Args:
            inputs: shape (batch, time, features).
            state: The state to begin with; None is the zero state.
            padding_mask: bool, shape (batch, time), True = skip. Padding must come before everything else.

        Returns:
            The outputs, shape (batch, time, units), and the state after the last time step.
        """
        projected = self._project_inputs(inputs)
        if padding_mask is not None:
            projected = projected + MASKED_GATE * ops.cast(padding_mask, projected.dtype)[..., None]
        output, cell = self._initial_state(state, ops.shape(inputs)[0])
        outputs, cell = _scan(ops.transpose(projected, (1, 0, 2)), self._recurrent_weights(), output, cell)
        return ops.transpose(outputs, (1, 0, 2)), (outputs[-1], cell)

    def advance(self, inputs, state):
        """Read a single time step.

        Args:
            inputs: shape (batch, features).
            state: The state before it; None is the zero state.

        Returns:
            The state after it, whose first half is the output.
        """
        output, cell = self._initial_state(state, ops.shape(inputs)[0])
        output, cell, *_ = _lstm_cell(self._project_inputs(inputs), self._recurrent_weights(), output, cell)
        return output, cell

    def _project_inputs(self, inputs):
        dtype = self.compute_dtype
        return ops.matmul(ops.cast(inputs, dtype), ops.cast(self.kernel, dtype)) + ops.cast(self.bias, dtype)

    def _recurrent_weights(self):
        return ops.cast(self.recurrent_kernel, self.compute_dtype)

    def _initial_state(self, state, batch_size):
        output, cell = (ops.zeros((batch_size, self.units)),) * 2 if state is None else state
        return ops.cast(output, self.compute_dtype), ops.cast(cell, "float32")


def _orthogonal(shape, dtype=None):
    # JAX has no QR decomposition in half precision.
    return ops.cast(keras.initializers.Orthogonal()(shape, "float32"), dtype)


def _unit_forget_bias(shape, dtype=None):
    # Open forget gates let gradients reach far back (Jozefowicz et al., 2015).
    units = shape[0] // 4
    return ops.concatenate([ops.zeros((units,), dtype), ops.ones((units,), dtype), ops.zeros((2 * units,), dtype)])


def _lstm_cell(projected, recurrent, output, cell):
    logits = ops.cast(projected + ops.matmul(output, recurrent), "float32")
    units = recurrent.shape[0]
    gates, candidate = ops.sigmoid(logits[:, : 3 * units]), ops.tanh(logits[:, 3 * units :])
    input_gate, forget_gate, output_gate = ops.split(gates, 3, axis=-1)
    cell = forget_gate * cell + input_gate * candidate
    return ops.cast(output_gate * ops.tanh(cell), projected.dtype), cell, gates, candidate


@ops.custom_gradient
def _scan(projected, recurrent, output, cell):
    # projected: shape (time, batch, 4 * units). Returns all outputs, the last cell state, and the gradient function.
    def forward_step(carry, projected):
        new = _lstm_cell(projected, recurrent, *carry[:2])
        return new[: len(carry)], new

    zeros = ops.zeros_like(cell)
    carry = _carry(output, cell, collected=(ops.tile(zeros, (1, 3)), zeros))
    _, (outputs, cells, gates, candidates) = ops.scan(forward_step, carry, projected)
    previous_outputs = ops.concatenate([output[None], outputs[:-1]], axis=0)
    previous_cells = ops.concatenate([cell[None], cells[:-1]], axis=0)

    def gradient(*upstream):
        # TensorFlow passes the gradients of the outputs one by one, JAX as a tuple.
        d_outputs, d_last_cell = upstream if len(upstream) == 2 else upstream[0]
        d_last_state = ops.zeros_like(output), d_last_cell  # the last output's gradient is the last of d_outputs
        d_projected, d_output, d_cell = _scan_backward(
            recurrent, d_last_state, d_outputs, (cells, previous_cells, gates, candidates)
        )
        units = recurrent.shape[0]
        d_recurrent = ops.matmul(
            ops.transpose(ops.reshape(previous_outputs, (-1, units))), ops.reshape(d_projected, (-1, 4 * units))
        )
        return d_projected, d_recurrent, d_output, d_cell

    return (outputs, cells[-1]), gradient


def _scan_backward(recurrent, d_last_state, d_outputs, activations):
    # Backpropagation through time. Returns the gradients of the projected inputs and of the initial state.
    transposed = ops.transpose(recurrent)

    def backward_step(carry, time_step):
        d_output, d_cell = carry[:2]
        d_upstream, cell, previous_cell, gates, candidate = time_step
        input_gate, forget_gate, output_gate = ops.split(gates, 3, axis=-1)
        squashed = ops.tanh(cell)
        d_output = ops.cast(d_output + d_upstream, "float32")
        d_cell = d_cell + d_output * output_gate * (1 - squashed * squashed)
        d_gates = ops.concatenate([d_cell * candidate, d_cell * previous_cell, d_output * squashed], axis=-1)
        d_gates = d_gates * (gates * (1 - gates))
        d_candidate = d_cell * input_gate * (1 - candidate * candidate)
        d_projected = ops.cast(ops.concatenate([d_gates, d_candidate], axis=-1), recurrent.dtype)
        new = ops.matmul(d_projected, transposed), d_cell * forget_gate, d_projected
        return new[: len(carry)], new

    carry = _carry(*d_last_state, collected=(ops.tile(ops.zeros_like(d_last_state[0]), (1, 4)),))
    (d_output, d_cell, *_), (_, _, d_projected) = ops.scan(
        backward_step, carry, (d_outputs, *activations), reverse=True
    )
    return d_projected, d_output, d_cell


def _carry(*state, collected):
    # On TensorFlow, Keras' scan can only collect what it carries.
    return (*state, *collected) if keras.backend.backend() == "tensorflow" else state
