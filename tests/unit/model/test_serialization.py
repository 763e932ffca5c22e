"""The model file: the same bytes for the same weights, what was saved comes back, and nothing in it is run."""

import json
import zipfile

import keras
import numpy as np
import pytest

from stages.model import serialization
from stages.model.bilstm import BiLSTM
from stages.utils.errors import InputError

SIZES = {"units": 12, "trunk": 10, "head": 9, "longest_gap": 8}


def network(seed=1, **more):
    keras.utils.set_random_seed(seed)
    return BiLSTM(**SIZES, **more)


def test_what_was_saved_comes_back(tmp_path):
    saved = network(pointers=False)
    serialization.save_model(saved, tmp_path / "m.keras")
    loaded = serialization.load_model(tmp_path / "m.keras")
    assert loaded.get_config() == saved.get_config() == SIZES | {"pointers": False}
    assert loaded.dtype_policy.name == "float32"
    for one, other in zip(saved.weights, loaded.weights, strict=True):
        assert one.path.split("/")[-2:] == other.path.split("/")[-2:]
        kept = "float32" if "logits" in one.path else "float16"
        assert other.dtype == "float32" and (np.asarray(one).astype(kept) == np.asarray(other)).all()
    assert [path.name for path in tmp_path.iterdir()] == ["m.keras"]


def test_bytes_depend_on_the_weights_alone(tmp_path):
    """Not on the date, on how many networks there were before, or on the precision that it was trained in."""
    first = network()
    serialization.save_model(first, tmp_path / "first.keras")
    later = network(dtype=keras.DTypePolicy("mixed_bfloat16"))
    serialization.save_model(later, tmp_path / "later.keras")
    assert (tmp_path / "first.keras").read_bytes() == (tmp_path / "later.keras").read_bytes()
    serialization.save_model(network(seed=2), tmp_path / "other.keras")
    assert (tmp_path / "first.keras").read_bytes() != (tmp_path / "other.keras").read_bytes()


@pytest.mark.parametrize("keep", [0, 100, 5000, 0.9])
def test_a_damaged_file_is_refused(tmp_path, keep):
    path = tmp_path / "m.keras"
    serialization.save_model(network(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole)) if isinstance(keep, float) else keep])
    with pytest.raises(InputError, match="not a model of this version"):
        serialization.load_model(path)


def test_a_missing_file_says_how_to_get_one(tmp_path):
    with pytest.raises(InputError, match="no trained model there; `dvc repro train` makes one, `dvc pull"):
        serialization.load_model(tmp_path / "m.keras")


def test_another_model_is_refused(tmp_path):
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(tmp_path / "m.keras")
    with pytest.raises(InputError, match="a Keras model of another kind"):
        serialization.load_model(tmp_path / "m.keras")


def test_code_in_a_file_is_not_run(tmp_path):
    trap = tmp_path / "trap"
    source = f"lambda x: [x, open({str(trap)!r}, 'w')][0]"
    keras.Sequential([keras.Input((2,)), keras.layers.Lambda(eval(source))]).save(tmp_path / "m.keras")
    trap.unlink(missing_ok=True)  # building it ran it once
    with pytest.raises(InputError):
        serialization.load_model(tmp_path / "m.keras")
    assert not trap.exists()


@pytest.mark.parametrize("module, name", [("subprocess", "Popen"), ("os", "system"), ("builtins", "eval")])
def test_what_a_file_names_is_not_called(tmp_path, module, name):
    path, trap = tmp_path / "m.keras", tmp_path / "trap"
    serialization.save_model(network(), path)
    with zipfile.ZipFile(path) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    config = json.loads(parts["config.json"])
    command = f"open({str(trap)!r}, 'w')" if name == "eval" else f"touch {trap}"
    config["config"]["units"] = {
        "module": module,
        "class_name": name,
        "config": {"args": command, "shell": True} if name == "Popen" else command,
        "registered_name": None,
    }
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
    with pytest.raises(InputError):
        serialization.load_model(path)
    assert not trap.exists()
