"""The optimizer."""

import keras
from keras import ops


class Muon(keras.optimizers.Muon):
    """Keras' Muon (Jordan et al., 2024; scaled as in Liu et al., 2025), fitted to this network.

    The four gates of an LSTM, which stand side by side in one matrix, are orthogonalised one by one, since each is a
    map of its own; and in bfloat16, as the method's authors do: the iteration forgives the rounding. Muon is for what
    maps one hidden layer to another; what reads features, which are mostly ones among noughts, and what gives logits
    learns by Adam, at the same rate. All weights decay by the share `weight_decay` times the rate.
    """

    def __init__(self, learning_rate, weight_decay: float = 0.0, **kwargs) -> None:
        super().__init__(
            learning_rate,
            exclude_layers=[r"^(?!.*(recurrent_kernel|from_past/kernel|from_future/kernel|to_heads/kernel))"],
            adam_beta_2=0.95,  # the default of 0.999 forgets a spike too slowly at this rate
            weight_decay=weight_decay,
            adam_weight_decay=weight_decay,
            **kwargs,
        )

    def zeropower_via_newtonschulz5(self, x, steps: int):
        """The nearest matrix with all singular values about one; gate by gate where four stand side by side."""
        height, width = x.shape
        if width != 4 * height:
            return ops.cast(super().zeropower_via_newtonschulz5(ops.cast(x, "bfloat16"), steps), x.dtype)
        gates = ops.transpose(ops.reshape(x, (height, 4, height)), (1, 0, 2))
        gates = super().zeropower_via_newtonschulz5(ops.cast(gates, "bfloat16"), steps)
        return ops.cast(ops.reshape(ops.transpose(gates, (1, 0, 2)), (height, width)), x.dtype)
