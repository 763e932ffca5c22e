"""JSON reports have the same bytes for the same content: their format is fixed here, since no stage depends on it."""

import numpy as np
import pytest

from stages.utils.errors import InputError
from stages.utils.json_io import read_json, write_json

CONTENT = {
    "name": "Étude",
    "count": np.int64(3),
    "loss": 8.46861234,
    "narrow": np.float32(0.1),
    "whole": 2.0,
    "none": None,
    "list": [1.00004, (2.5, {"deep": 1 / 3})],
    "flag": True,
}
BYTES = """{
  "name": "Étude",
  "count": 3,
  "loss": 8.4686,
  "narrow": 0.1,
  "whole": 2.0,
  "none": null,
  "list": [
    1.0,
    [
      2.5,
      {
        "deep": 0.3333
      }
    ]
  ],
  "flag": true
}
"""


def test_the_format_to_the_byte(tmp_path):
    path = tmp_path / "new" / "report.json"
    write_json(path, CONTENT)
    assert path.read_bytes() == BYTES.encode()
    assert [file.name for file in path.parent.iterdir()] == ["report.json"]


def test_what_is_written_is_read(tmp_path):
    write_json(tmp_path / "a.json", {"b": [1, 2.5, None, "ü"]})
    assert read_json(tmp_path / "a.json") == {"b": [1, 2.5, None, "ü"]}


def test_what_is_no_number_is_refused_and_the_old_file_stays(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError):
        write_json(path, {"a": float("nan")})
    assert read_json(path) == {"a": 1}


@pytest.mark.parametrize("content, message", [(None, "not found; `dvc repro`"), ("{", "not valid JSON")])
def test_what_cannot_be_read_is_named(tmp_path, content, message):
    path = tmp_path / "a.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=f"a.json: {message}"):
        read_json(path)
