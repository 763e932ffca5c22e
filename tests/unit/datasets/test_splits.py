"""The pieces of an unpacked data set and their splits, with a table of pieces and without."""

import hashlib
import os
import re
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.datasets import splits
from stages.datasets.splits import Piece
from stages.utils.errors import InputError

HEADING = "canonical_composer,canonical_title,split,year,midi_filename,audio_filename,duration\n"


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def split_by_file(folder: Path, validation_fraction=0.2, test_fraction=0.2) -> dict[str, str]:
    return {piece.file: piece.split for piece in splits.list_pieces(folder, validation_fraction, test_fraction)}


# -- with a table of pieces


@pytest.fixture
def maestro(tmp_path):
    rows = 'Bach,"Prelude, in C",train,2004,2004/b.midi,x,1.5\nBerg,Sonata,validation,,2018/a.midi,,\n'
    return write(
        tmp_path,
        {
            "set/list.csv": (HEADING + rows + "Erik Satie,Gymnopédie,test,1888,2004/c.MID,,\n").encode(),
            "set/2004/b.midi": b"",
            "set/2018/a.midi": b"",
            "set/2004/c.MID": b"",
            "set/2004/unlisted.midi": b"",
            "set/other.csv": b"a,b\n1,2\n",
            "set/.hidden.csv": HEADING.encode(),
        },
    )


def test_pieces_are_the_rows_of_the_table(maestro):
    assert splits.list_pieces(maestro, 0.5, 0.5) == [
        Piece("set/2004/b.midi", "train", "Bach", "Prelude, in C", 2004),
        Piece("set/2004/c.MID", "test", "Erik Satie", "Gymnopédie", 1888),
        Piece("set/2018/a.midi", "validation", "Berg", "Sonata", 0),
    ]


def test_reads_a_table_with_a_byte_order_mark_and_quotes(maestro):
    table = maestro / "set/list.csv"
    text = table.read_text(encoding="utf-8").replace("canonical_composer", '"canonical_composer"')
    table.write_text(text, encoding="utf-8-sig", newline="\r\n")
    assert len(splits.list_pieces(maestro, 0, 0)) == 3


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("Bach,Fugue,training,2004,2004/b.midi,,", "split = 'training': must be one of train, validation, test"),
        ("Bach,Fugue,train,MMIV,2004/b.midi,,", "year = 'MMIV'"),
        ("Bach,Fugue,train,2004,2004/none.midi,,", "midi_filename = '2004/none.midi': no such file"),
        ("Bach,Fugue,train,2004,../set/2004/unlisted.midi,,", "no such file in"),
        ("Bach,Fugue,train,2004,/etc/passwd,,", "no such file in"),
        ("Bach,Fugue,train,2004,2004/b.midi,,", "is in the table twice"),
        ("Bach,Fugue,train,2004,./2004/b.midi,,", "is in the table twice"),
        ("Bach,Fugue,train", "number of fields differs"),
        ("Bach,Fugue,train,2004,2004/unlisted.midi,,,,", "number of fields differs"),
    ],
)
def test_an_error_names_the_line_of_the_invalid_row(maestro, row, message):
    with (maestro / "set/list.csv").open("a", encoding="utf-8") as table:
        table.write(row + "\n")
    with pytest.raises(InputError, match=rf"set/list.csv: line 5: .*{re.escape(message)}"):
        splits.list_pieces(maestro, 0, 0)


@pytest.mark.parametrize("content", [b"\xe9,b,train,1,x,,\n", b'a"b,"c"d,train,1,x,,\n', b'"a,b\n'])
def test_a_table_that_is_not_csv_gives_one_line(maestro, content):
    write(maestro, {"set/list.csv": HEADING.encode() + content})
    with pytest.raises(InputError, match=r"set/list.csv: not a CSV file in UTF-8") as caught:
        splits.list_pieces(maestro, 0, 0)
    assert "\n" not in str(caught.value)


def test_an_empty_table_and_a_second_table_are_rejected(maestro):
    write(maestro, {"set/list.csv": HEADING.encode()})
    with pytest.raises(InputError, match=r"set/list.csv: no pieces"):
        splits.list_pieces(maestro, 0, 0)
    write(maestro, {"set/z.csv": HEADING.encode()})
    with pytest.raises(InputError, match=r"set/z.csv: a second table of pieces in addition to .*set/list.csv"):
        splits.list_pieces(maestro, 0, 0)


# -- without a table


def test_pieces_are_the_midi_files_of_a_folder(tmp_path):
    names = [
        "b.mid",
        "A.MIDI",
        "Satie/Gymnopédie 1.Mid",
        "x/y/z.midi",
        "s.kar",
        "s.RMI",
        "notes.txt",
        "x/.hidden.mid",
        ".git/a.mid",
    ]
    write(tmp_path, dict.fromkeys([*names, "midi", "x/mid", "table.csv"], b"x"))
    assert splits.list_pieces(tmp_path, 0, 0) == [
        Piece("A.MIDI", "train", "", "A", 0),
        Piece("Satie/Gymnopédie 1.Mid", "train", "Satie", "Gymnopédie 1", 0),
        Piece("b.mid", "train", "", "b", 0),
        Piece("s.RMI", "train", "", "s", 0),
        Piece("s.kar", "train", "", "s", 0),
        Piece("x/y/z.midi", "train", "y", "z", 0),
    ]


names = st.text("abcXYZ019 _", max_size=8).map(lambda name: name.strip() + "f.mid")
folders = st.dictionaries(names, st.binary(max_size=3), min_size=1)


@given(folders, folders)
@settings(max_examples=30)
def test_a_file_keeps_its_split_when_files_are_added_removed_or_renamed(before, more):
    after = {f"renamed/to/{number}.midi": content for number, content in enumerate([*before.values(), *more.values()])}
    split_of_content = {}
    for files in before, after:
        with tempfile.TemporaryDirectory() as folder:
            for name, split in split_by_file(write(Path(folder), files)).items():
                assert split_of_content.setdefault(files[name], split) == split


def test_the_split_follows_from_the_hash_of_the_content(tmp_path):
    files = {f"{number}.mid": str(number).encode() for number in range(500)}
    found = split_by_file(write(tmp_path, files), 0.1, 0.25)
    for name, content in files.items():
        uniform = int(hashlib.sha256(content).hexdigest(), 16) / 16**64
        assert found[name] == ("validation" if uniform < 0.1 else "test" if uniform >= 0.75 else "train")
    counts = Counter(found.values())
    # Within four standard deviations of the given fractions.
    assert abs(counts["validation"] - 50) < 4 * (500 * 0.1 * 0.9) ** 0.5
    assert abs(counts["test"] - 125) < 4 * (500 * 0.25 * 0.75) ** 0.5


def test_a_fraction_changes_only_its_own_split(tmp_path):
    folder = write(tmp_path, {f"{number}.mid": str(number).encode() for number in range(100)})
    wide, narrow = split_by_file(folder, 0.4, 0.2), split_by_file(folder, 0.1, 0.2)
    assert {name for name, split in wide.items() if split == "test"} == {
        name for name, split in narrow.items() if split == "test"
    }
    assert set(split_by_file(folder, 0, 0).values()) == {"train"}
    assert set(split_by_file(folder, 0.5, 0.5).values()) == {"validation", "test"}


def test_a_folder_without_midi_files_is_rejected(tmp_path):
    write(tmp_path, {"a.txt": b"", ".b.mid": b""})
    with pytest.raises(InputError, match="no pieces"):
        splits.list_pieces(tmp_path, 0.1, 0.1)


def test_links_to_files_are_followed_and_links_to_folders_rejected(tmp_path):
    write(tmp_path, {"elsewhere/a.mid": b"x", "mine/b.mid": b"x"})
    (tmp_path / "mine/c.mid").symlink_to(tmp_path / "elsewhere/a.mid")
    assert [path.name for path in splits.list_midi_files(tmp_path / "mine")] == ["b.mid", "c.mid"]
    (tmp_path / "mine/more").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"mine/more: a link to a folder"):
        splits.list_midi_files(tmp_path / "mine")


def test_a_name_that_is_not_utf_8_is_rejected(tmp_path):
    try:
        write(tmp_path, {os.fsdecode(b"file/Caf\xe9.mid"): b"", os.fsdecode(b"folder/Caf\xe9/a.mid"): b""})
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with pytest.raises(InputError, match=r"file: 1 names are not UTF-8, the first is .*/file/Caf\\xe9.mid; rename"):
        splits.list_midi_files(tmp_path / "file")
    with pytest.raises(InputError, match=r"folder: 1 names are not UTF-8, the first is .*/folder/Caf\\xe9; rename"):
        splits.list_midi_files(tmp_path / "folder")
    with pytest.raises(InputError, match=r": 2 names are not UTF-8"):
        splits.list_midi_files(tmp_path)
