"""The model file: the same bytes for the same weights, weights restored, and no code in it run."""

import json
import zipfile

import keras
import numpy as np
import pytest

from stages.model import serialization
from stages.model.bilstm import BiLSTM
from stages.utils.errors import InputError

SIZES = {"lstm_units": 12, "trunk_units": 10, "head_units": 9, "max_gap_notes": 8}


def make_network(seed=1, **options):
    keras.utils.set_random_seed(seed)
    return BiLSTM(**SIZES, **options)


def test_loading_restores_what_was_saved(tmp_path):
    saved = make_network(duration_pointers=False)
    serialization.save_model(saved, tmp_path / "m.keras")
    loaded = serialization.load_model(tmp_path / "m.keras")
    assert loaded.get_config() == saved.get_config() == SIZES | {"duration_pointers": False}
    assert loaded.dtype_policy.name == "float32"
    for weight, restored in zip(saved.weights, loaded.weights, strict=True):
        assert weight.path.split("/")[-2:] == restored.path.split("/")[-2:]
        precision = "float32" if "logits" in weight.path or "pointer_scores" in weight.path else "float16"
        assert restored.dtype == "float32" and (np.asarray(weight).astype(precision) == np.asarray(restored)).all()
    assert [path.name for path in tmp_path.iterdir()] == ["m.keras"]


def test_bytes_depend_only_on_the_weights(tmp_path):
    """Not on the date, the number of networks made before, or the precision used in training."""
    first = make_network()
    serialization.save_model(first, tmp_path / "first.keras")
    later = make_network(dtype=keras.DTypePolicy("mixed_bfloat16"))
    serialization.save_model(later, tmp_path / "later.keras")
    assert (tmp_path / "first.keras").read_bytes() == (tmp_path / "later.keras").read_bytes()
    serialization.save_model(make_network(seed=2), tmp_path / "other.keras")
    assert (tmp_path / "first.keras").read_bytes() != (tmp_path / "other.keras").read_bytes()


@pytest.mark.parametrize("size", [0, 100, 5000, 0.9])
def test_a_truncated_file_is_refused(tmp_path, size):
    path = tmp_path / "m.keras"
    serialization.save_model(make_network(), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(size * len(content)) if isinstance(size, float) else size])
    with pytest.raises(InputError, match="not a model of this version"):
        serialization.load_model(path)


def test_the_error_for_a_missing_file_says_how_to_get_one(tmp_path):
    with pytest.raises(InputError, match="no trained model there; `dvc repro train` makes one, `dvc pull"):
        serialization.load_model(tmp_path / "m.keras")


def test_another_kind_of_model_is_refused(tmp_path):
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(tmp_path / "m.keras")
    with pytest.raises(InputError, match="a Keras model of another kind"):
        serialization.load_model(tmp_path / "m.keras")


def test_code_in_a_lambda_layer_is_not_run(tmp_path):
    trap = tmp_path / "trap"
    source = f"lambda x: [x, open({str(trap)!r}, 'w')][0]"
    keras.Sequential([keras.Input((2,)), keras.layers.Lambda(eval(source))]).save(tmp_path / "m.keras")
    trap.unlink(missing_ok=True)  # Keras calls the function once when it builds the layer
    with pytest.raises(InputError):
        serialization.load_model(tmp_path / "m.keras")
    assert not trap.exists()


@pytest.mark.parametrize("module, function", [("subprocess", "Popen"), ("os", "system"), ("builtins", "eval")])
def test_functions_named_in_a_config_are_not_called(tmp_path, module, function):
    path, trap = tmp_path / "m.keras", tmp_path / "trap"
    serialization.save_model(make_network(), path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    command = f"open({str(trap)!r}, 'w')" if function == "eval" else f"touch {trap}"
    config["config"]["lstm_units"] = {
        "module": module,
        "class_name": function,
        "config": {"args": command, "shell": True} if function == "Popen" else command,
        "registered_name": None,
    }
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    with pytest.raises(InputError):
        serialization.load_model(path)
    assert not trap.exists()
