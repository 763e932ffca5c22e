"""The optimizer."""

import keras
from keras import ops


class Muon(keras.optimizers.Muon):
    """Muon (Jordan et al., 2024; scaled as by Liu et al., 2025) with changes for this network.

    Muon updates the kernels that map one hidden layer to another. The kernels that read features, which are mostly
    one-hot, and those that make logits are updated by Adam, with the same learning rate. All weights decay.

    The four gates of an LSTM are parallel maps in one matrix, so each is orthogonalised by itself; so are those of
    the four heads in `head_proj` where it has the shape of a recurrent kernel. That can be done in bfloat16, as the
    authors of Muon do: rounding errors do not add up in the iteration.
    """

    def __init__(self, learning_rate, weight_decay: float = 0.0, compute_dtype: str = "float32", **kwargs) -> None:
        """Make the optimizer.

        Args:
            learning_rate: a number or a Keras schedule.
            weight_decay: fraction of the learning rate by which an update shrinks every weight, 0 to 1.
            compute_dtype: of the products that orthogonalise, float32 or bfloat16, whichever is faster.
            **kwargs: for `keras.optimizers.Muon`.
        """
        super().__init__(
            learning_rate,
            exclude_layers=[r"^(?!(.*/)?(recurrent_kernel|(past_proj|future_proj|head_proj)/kernel)$)"],
            adam_beta_2=0.95,  # the default of 0.999 forgets a spike too slowly at this learning rate
            weight_decay=weight_decay,
            adam_weight_decay=weight_decay,
            **kwargs,
        )
        self._compute_dtype = compute_dtype

    def zeropower_via_newtonschulz5(self, x, steps: int):
        """Return about the nearest matrix whose singular values are all one; gate by gate for an LSTM's kernel.

        Args:
            x: shape (height, width); an LSTM's recurrent kernel if width = 4 * height.
            steps: iterations of Newton and Schulz.
        """
        height, width = x.shape
        if width != 4 * height:
            return self._orthogonalize(x, steps)
        gates = ops.transpose(ops.reshape(x, (height, 4, height)), (1, 0, 2))
        return ops.reshape(ops.transpose(self._orthogonalize(gates, steps), (1, 0, 2)), (height, width))

    def _orthogonalize(self, x, steps: int):
        return ops.cast(super().zeropower_via_newtonschulz5(ops.cast(x, self._compute_dtype), steps), x.dtype)
