"""Reproducible training: what must be set before a network is made, and on what it was made."""

import os
import platform
import re
from importlib import import_module
from pathlib import Path

import keras
import numpy as np

# What decides how a processor adds and multiplies, as far as TensorFlow makes use of it.
_CPU_FEATURES = ("fma", "avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve", "bf16")


# By default XLA times several programs for each matrix product and takes the fastest, so that results depend on timing.
# That is also most of the time of compiling for a GPU.
_XLA_FLAGS = (
    "--xla_gpu_deterministic_ops=true",
    "--xla_gpu_autotune_level=0",
    "--xla_gpu_enable_triton_gemm=false",
)


def make_reproducible(seed: int) -> None:
    """Seed every random generator, and use only operations whose results do not depend on thread timing.

    Must be called before the backend computes anything.

    Args:
        seed: 0 to 2**32 - 1.
    """
    if keras.backend.backend() == "jax":
        os.environ["XLA_FLAGS"] = " ".join([*os.environ.get("XLA_FLAGS", "").split(), *_XLA_FLAGS])
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def single_thread_ops() -> None:
    """Run every operation on one thread, and as many operations in parallel as there are cores.

    Two threads on one small operation spend most of their time waiting for each other. It is faster to compute parts
    that do not depend on each other in parallel, as `TrainingModel` does. Must be called before the backend computes
    anything.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(1)


def describe_environment(num_devices: int = 1) -> dict[str, str | int | list[str]]:
    """Return what results may depend on besides data, settings and code: versions and the kind of processor.

    Args:
        num_devices: devices that train together; told where there are several.
    """
    try:
        cpu_info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:  # not Linux
        cpu_info = ""
    processor = re.search(r"^model name\s*:\s*(.+)$", cpu_info, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", cpu_info, re.MULTILINE)
    backend = keras.backend.backend()
    return {
        "python": platform.python_version(),
        "keras": keras.version(),
        "backend": f"{backend} {import_module(backend).__version__}",
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor[1] if processor else platform.processor(),
        "features": [name for name in _CPU_FEATURES if flags and name in flags[1].split()],
        **({"devices": num_devices} if num_devices > 1 else {}),
    }
