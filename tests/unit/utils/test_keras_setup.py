"""Keras has the project's configuration, whatever the machine says, and TensorFlow starts without a word."""

import json
import os
import re
import subprocess
import sys

import pytest

from stages.utils import keras_setup
from stages.utils.errors import InputError
from tests.helpers.source_analysis import ROOT

SETTINGS = {"backend": "tensorflow", "floatx": "float32", "epsilon": 1e-7, "image_data_format": "channels_last"}
START = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from stages.utils.keras_setup import import_keras; "


@pytest.fixture
def machine(tmp_path):
    """Environment variables of a machine on which Keras and TensorFlow are set up otherwise."""
    settings = {"backend": "torch", "floatx": "float16", "epsilon": 1, "image_data_format": "channels_first"}
    home = tmp_path / ".keras"
    home.mkdir()
    (home / "keras.json").write_text(json.dumps(settings), encoding="utf-8")
    variables = {"HOME": str(tmp_path), "KERAS_HOME": str(home), "KERAS_BACKEND": "jax", "TF_ENABLE_ONEDNN_OPTS": "0"}
    return {name: value for name, value in os.environ.items() if not name.startswith(("KERAS_", "TF_"))} | variables


def start(program, environment):
    return subprocess.run([sys.executable, "-c", START + program], capture_output=True, text=True, env=environment)


def test_the_projects_configuration_holds_and_nothing_is_printed(machine):
    done = start(
        "import_keras(); import keras, os; from keras import config;"
        "print([config.backend(), config.floatx(), config.epsilon(), config.image_data_format()]);"
        "print(keras.ops.ones(2).dtype, 'TF_ENABLE_ONEDNN_OPTS' in os.environ);"
        "import tensorflow; print(tensorflow.config.optimizer.get_experimental_options()['disable_meta_optimizer'])",
        machine,
    )
    assert done.stdout.splitlines() == [str(list(SETTINGS.values())), "<dtype: 'float32'> False", "True"]
    assert done.stderr == ""


def test_configure_returns_what_is_in_force():
    assert keras_setup.configure_keras() == SETTINGS
    assert keras_setup._configuration() == SETTINGS  # tests/conftest.py has configured Keras before its import


def test_a_backend_that_is_not_installed_is_an_error_of_one_line(machine):
    done = start("import_keras('nonsense')", machine)
    line = done.stderr.splitlines()[-1]
    assert f"the Keras backend nonsense is not installed in {sys.prefix}; docs/scaling.md says how" in line
    assert "import keras" not in done.stderr


def test_keras_imported_before_with_another_configuration_is_refused(monkeypatch):
    keras_setup.import_keras()  # as the tests have it
    monkeypatch.setattr("keras.config.floatx", lambda: "float64")
    with pytest.raises(InputError, match="Keras was imported with floatx = float64, not float32"):
        keras_setup.import_keras()


def test_another_backend_may_be_chosen(monkeypatch):
    monkeypatch.setattr("keras.config.backend", lambda: "jax")
    keras_setup.import_keras("jax")
    assert os.environ["KERAS_BACKEND"] == "jax"
    with pytest.raises(InputError, match="Keras was imported with backend = jax, not tensorflow"):
        keras_setup.import_keras()


NOTICE = b"I0000 00:00:1795781092.197063   32004 port.cc:153] oneDNN custom operations are on. You may see slightly\n"
WARNING = b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
ERROR = b"F0000 00:00:1795781092.197063   32004 cpu_guard.cc:1] instructions aren't available on your \xe9 machine\n"


def test_errors_come_through_and_notices_do_not(monkeypatch, capfdbinary):
    monkeypatch.delenv(keras_setup.LOG_LEVEL_VARIABLE, raising=False)
    with keras_setup._without_notices():
        os.write(2, WARNING + NOTICE + ERROR)
    os.write(2, b"after\n")
    assert capfdbinary.readouterr().err == ERROR + b"after\n"


def test_who_asks_for_notices_gets_them(monkeypatch, capfdbinary):
    monkeypatch.setenv(keras_setup.LOG_LEVEL_VARIABLE, "0")
    with keras_setup._without_notices():
        os.write(2, NOTICE)
    assert capfdbinary.readouterr().err == NOTICE


@pytest.mark.parametrize("program", ["compose.py", "stages/train.py", "stages/evaluate.py", "stages/generate.py"])
def test_every_program_with_a_network_imports_keras_this_way(program):
    source = (ROOT / program).read_text(encoding="utf-8")
    networks = re.findall(r"import (load_model|save_model|serialization)\n", source)
    assert len(re.findall(r"^ +import_keras\(.*\)$", source, re.MULTILINE)) == len(networks) > 0
