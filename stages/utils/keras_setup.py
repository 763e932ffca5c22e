"""How Keras is configured: by the project, in keras.json beside this module, and not by the machine it runs on.

Keras reads its backend and its number format from the environment (KERAS_BACKEND and others) and from the user's
keras.json as it is imported. Another number format changes results, or ends in an error far from its cause.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stages.utils.errors import InputError
from stages.utils.startup import ending_at_once

KERAS_HOME = Path(__file__).resolve().parent
"""The folder in which Keras looks for keras.json."""

LOG_LEVEL_VARIABLE = "TF_CPP_MIN_LOG_LEVEL"
"""The environment variable that says what TensorFlow prints: 0 everything, 1 no notices, 2 no warnings either."""

NOTICES = ("^WARNING: All log messages before absl::InitializeLog", "oneDNN custom operations are on")
"""Lines that TensorFlow prints as it is imported, before it has read LOG_LEVEL_VARIABLE, as regular expressions."""


def configure_keras(backend: str | None = None) -> dict[str, Any]:
    """Set the environment variables that Keras reads as it is imported, so that it takes the project's configuration.

    TensorFlow is made to compute as it does by default, with oneDNN: its start-up notice tells how to turn that off,
    and who has done so for all programs would get other results, more slowly.

    Args:
        backend: "tensorflow", "jax" or "torch"; None for the one in keras.json.

    Returns:
        The configuration: backend, floatx, epsilon, image_data_format.
    """
    configuration = json.loads((KERAS_HOME / "keras.json").read_text(encoding="utf-8"))
    configuration["backend"] = backend or configuration["backend"]
    for name in [name for name in os.environ if name.startswith("KERAS_")] + ["TF_ENABLE_ONEDNN_OPTS"]:
        os.environ.pop(name, None)
    os.environ |= {"KERAS_HOME": str(KERAS_HOME), "KERAS_BACKEND": configuration["backend"]}
    return configuration


def import_keras(backend: str | None = None) -> None:
    """Import Keras with the project's configuration and without its notices, before anything else imports it.

    TensorFlow's graph optimizer is turned off.

    Args:
        backend: see `configure_keras`.

    Raises:
        InputError: the backend is not installed, or Keras was imported before with another configuration.
    """
    expected = configure_keras(backend)
    if "keras" not in sys.modules:
        if importlib.util.find_spec(expected["backend"]) is None:
            raise InputError(
                f"the Keras backend {expected['backend']} is not installed in {sys.prefix}; docs/scaling.md says how to"
                " install JAX, `make setup` installs TensorFlow"
            )
        with ending_at_once(), _without_notices():
            import keras  # noqa: F401
    if expected["backend"] == "tensorflow":
        import tensorflow as tf

        # The graph optimizer rewrites the same graph differently from process to process, so that last digits differ.
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    if differing := {name: value for name, value in _configuration().items() if value != expected[name]}:
        name, value = differing.popitem()
        raise InputError(
            f"Keras was imported with {name} = {value}, not {expected[name]}; call configure_keras before that"
        )


def _configuration() -> dict[str, Any]:
    from keras import config

    return {
        "image_data_format": config.image_data_format(),
        "epsilon": config.epsilon(),
        "floatx": config.floatx(),
        "backend": config.backend(),
    }


@contextmanager
def _without_notices() -> Iterator[None]:
    """Keep TensorFlow's notices off stderr, unless the user asks for them; warnings and errors come through.

    A process of its own filters them, so that the last words of a crash are not lost.
    """
    grep = shutil.which("grep")
    if os.environ.setdefault(LOG_LEVEL_VARIABLE, "1") == "0" or grep is None:
        yield
        return
    stderr = os.dup(2)
    patterns = [argument for notice in NOTICES for argument in ("-e", notice)]
    with subprocess.Popen([grep, "-av", *patterns], stdin=subprocess.PIPE, stdout=stderr) as notice_filter:
        assert notice_filter.stdin is not None
        os.dup2(notice_filter.stdin.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
