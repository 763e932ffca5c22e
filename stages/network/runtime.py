"""The same numbers every time: what must be set before a network is made."""

import keras


def make_reproducible(seed: int) -> None:
    """Seed every generator and keep the backend to operations whose results do not depend on thread timing."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
