"""What is wrong with a settings file is told in one line that names the key; only the sections asked for are read."""

import pytest
import yaml
from pydantic import Field

from stages.check import Params
from stages.utils.errors import InputError
from stages.utils.params_file import Section, read_sections
from stages.utils.yaml_io import read_yaml
from tests.helpers.source_analysis import ROOT


class Training(Section):
    rate: float = Field(gt=0, le=1)
    layers: int = Field(ge=1)


def problem(tmp_path, text: str, **types) -> str:
    """The message for a settings file with this text; all of it but the file's name."""
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_sections(path, **(types or {"train": Training}))
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    return message.removeprefix(f"{path}: ")


def test_sections_are_read_by_name_and_others_left_alone(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("dataset: mine\ntrain: {rate: 0.5, layers: 2}\nother: {anything: [1, 2]}\n", encoding="utf-8")
    assert read_sections(path, train=Training, dataset=str) == {
        "train": Training(rate=0.5, layers=2),
        "dataset": "mine",
    }
    assert read_sections(path) == {}


@pytest.mark.parametrize(
    "text, expected",
    [
        ("train: {rate: 0.5, layer: 2}", "train.layer: unknown key; known here: rate, layers (and 1 more)"),
        ("train: {rate: 0.5}", "train.layers: missing key; `git show HEAD:"),
        ("other: 1", "train: missing key"),
        ("train: {rate: 2, layers: 1}", "train.rate = 2: must be less than or equal to 1"),
        ("train: {rate: .nan, layers: 1}", "train.rate = .nan: must be"),
        ("train: {rate: 0.5, layers: '2'}", "train.layers = '2': must be a valid integer"),
        ("train: {rate: 0.5, layers: true}", "train.layers = true: must be a valid integer"),
        ("train: {rate: 2020-01-01, layers: 1}", "train.rate = 2020-01-01: must be a valid number"),
        ("train: {rate: a夜, layers: 1}", "train.rate = 'a夜': must be a valid number"),
        ("train: 3", "train = 3: must be a block of keys"),
        ("- a", "the file = [a]: must be a block of keys"),
        ("", "the file = null: must be a block of keys"),
        ("train: {rate: 0.5", "not valid YAML: "),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(tmp_path, text, expected):
    assert problem(tmp_path, text).startswith(expected)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="not found; run this from the top folder"):
        read_sections(tmp_path / "params.yaml", train=Training)


SECTIONS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
KEYS = [(section, key) for section, keys in SECTIONS.items() if isinstance(keys, dict) for key in keys]


@pytest.mark.parametrize("section, key", KEYS)
def test_every_key_of_params_yaml_is_declared_and_none_has_a_default(tmp_path, section, key):
    content = {name: dict(keys) if isinstance(keys, dict) else keys for name, keys in SECTIONS.items()}
    del content[section][key]
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(InputError, match=f"{section}.{key}: missing key"):
        read_yaml(path, Params)


@pytest.mark.parametrize("value", [4, [1.0, 1.0], [1, 1, 1, "a"], "1", True, [0.9, 0.9, 0.9, 0.01]])
def test_what_is_neither_a_number_nor_four_is_refused(tmp_path, value):
    content = SECTIONS | {"generate": SECTIONS["generate"] | {"temperature": value}}
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(InputError, match=r"generate.temperature = .*: must be a number from 0.05 to 3, or four"):
        read_yaml(path, Params)


@pytest.mark.parametrize("value", [[0.5], [0.5, 0.2, 0.1], [0.5, 3], -1, "a lot", True])
def test_preferences_are_one_number_or_two(tmp_path, value):
    content = SECTIONS | {"generate": SECTIONS["generate"] | {"preference_bias": value}}
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    expected = r"generate.preference_bias = .*: must be a number from 0 to 2, or two: \[interval, pitch class\]"
    with pytest.raises(InputError, match=expected):
        read_yaml(path, Params)


def test_one_number_stands_for_all_fields(tmp_path):
    content = SECTIONS | {"generate": SECTIONS["generate"] | {"temperature": 1, "top_p": [0.5, 0.6, 0.7, 1]}}
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    generate = read_yaml(path, Params).generate
    assert generate.temperature == (1.0, 1.0, 1.0, 1.0) and generate.top_p == (0.5, 0.6, 0.7, 1.0)
