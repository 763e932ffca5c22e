"""CSV reports have the same bytes for the same content: their format is fixed here, since no stage depends on it."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.utils.csv_io import read_csv, write_csv
from stages.utils.errors import InputError

TABLE = pd.DataFrame(
    {
        "name": ["a, b", "Étude"],
        "count": [1, 20_000_000],
        "value": [0.123456789, np.nan],
        "large": [65185624.0, 1e-7],
    },
    index=[7, 3],
)


def test_the_format_to_the_byte(tmp_path):
    path = tmp_path / "new" / "report.csv"
    write_csv(path, TABLE)
    expected = 'name,count,value,large\n"a, b",1,0.123457,6.51856e+07\nÉtude,20000000,,1e-07\n'
    assert path.read_bytes() == expected.encode()
    assert [file.name for file in path.parent.iterdir()] == ["report.csv"]


def test_what_is_written_is_read(tmp_path):
    table = pd.DataFrame({"split": ["train", "test"], "notes": [3, 4], "hours": [0.5, np.nan]})
    write_csv(tmp_path / "a.csv", table)
    pd.testing.assert_frame_equal(read_csv(tmp_path / "a.csv"), table)


@pytest.mark.parametrize("content, message", [(None, "not found; `dvc repro`"), ("", "not a CSV table")])
def test_what_cannot_be_read_is_named(tmp_path, content, message):
    path = tmp_path / "a.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=f"a.csv: {message}"):
        read_csv(path)


def test_a_dict_of_columns_gives_the_bytes_of_a_data_frame(tmp_path):
    write_csv(tmp_path / "frame.csv", TABLE)
    columns = {
        "name": ["a, b", "Étude"],
        "count": [1, 20_000_000],
        "value": [0.123456789, None],
        "large": [65185624.0, 1e-7],
    }
    write_csv(tmp_path / "dict.csv", columns)
    assert (tmp_path / "dict.csv").read_bytes() == (tmp_path / "frame.csv").read_bytes()
    write_csv(tmp_path / "empty.csv", {"file": [], "reason": []})
    assert (tmp_path / "empty.csv").read_bytes() == b"file,reason\n"


def test_columns_of_different_lengths_are_refused(tmp_path):
    with pytest.raises(ValueError):
        write_csv(tmp_path / "a.csv", {"a": [1, 2], "b": [1]})
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")), st.floats(), st.integers()
        ),
        min_size=1,
    )
)
def test_it_writes_what_pandas_writes(rows):
    table = pd.DataFrame(rows, columns=["text", "float", "int"])
    with TemporaryDirectory() as folder:
        write_csv(Path(folder, "ours.csv"), table)
        table.to_csv(Path(folder, "theirs.csv"), index=False, float_format="%.6g", lineterminator="\n")
        assert Path(folder, "ours.csv").read_bytes() == Path(folder, "theirs.csv").read_bytes()
