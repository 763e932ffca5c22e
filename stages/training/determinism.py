"""The same numbers every time: what must be set before a network is made, and what it was made on."""

import platform
import re
from importlib import import_module
from pathlib import Path

import keras
import numpy as np

# What decides how a processor adds and multiplies, as far as TensorFlow makes use of it.
_CPU_FEATURES = ("fma", "avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve", "bf16")


def make_reproducible(seed: int) -> None:
    """Seed every generator and keep the backend to operations whose results do not depend on thread timing."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def single_thread_ops() -> None:
    """Run every operation on one thread, and as many of them at once as there are cores.

    For what is split into parts that do not wait for each other, as fitting.Learner is: two threads on one small
    operation spend most of their time on meeting. To be called before the backend does anything.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(1)


def describe_environment() -> dict[str, str | list[str]]:
    """What results may depend on beside inputs, settings and code: versions and the kind of processor."""
    try:
        described = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:  # another system than Linux
        described = ""
    model = re.search(r"^model name\s*:\s*(.+)$", described, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", described, re.MULTILINE)
    backend = keras.backend.backend()
    return {
        "python": platform.python_version(),
        "keras": keras.version(),
        "backend": f"{backend} {import_module(backend).__version__}",
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": model[1] if model else platform.processor(),
        "features": [name for name in _CPU_FEATURES if flags and name in flags[1].split()],
    }
