"""A MIDI file is found in a RIFF file, whatever else is in it."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.midi import midi_pool, riff
from stages.midi.tempo_map import MidiError
from tests.helpers import midi_bytes

MIDI = midi_bytes.file([(0, midi_bytes.note_on(60)), (10, midi_bytes.note_off(60))])


def chunk(kind, content):
    return kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def riff_file(*chunks, form=b"RMID"):
    return chunk(b"RIFF", form + b"".join(chunks))


def test_the_data_chunk_is_the_midi_file():
    assert riff.unwrap(riff_file(chunk(b"data", MIDI))) == MIDI
    # As written byte by byte, with a title of odd length before.
    by_hand = b"RIFF" + (4 + 8 + 14 + 8 + len(MIDI)).to_bytes(4, "little") + b"RMID"
    by_hand += b"LIST\x0d\0\0\0INFOINAM\1\0\0\0x\0" + b"data" + len(MIDI).to_bytes(4, "little") + MIDI
    assert riff.unwrap(by_hand) == MIDI


@given(
    st.lists(st.tuples(st.sampled_from([b"LIST", b"DISP", b"RIFF"]), st.binary(max_size=9)), max_size=3), st.binary()
)
def test_other_chunks_do_not_matter(others, content):
    assert riff.unwrap(riff_file(*(chunk(*other) for other in others), chunk(b"data", content))) == content


def test_what_is_no_riff_file_stays_as_it_is():
    assert riff.unwrap(MIDI) == MIDI
    assert riff.unwrap(b"") == b""


@pytest.mark.parametrize(
    "data",
    [riff_file(), riff_file(chunk(b"LIST", b"x")), riff_file(chunk(b"data", MIDI), form=b"WAVE"), b"RIFF", b"RIFF" * 3],
)
def test_a_riff_file_without_one_is_refused(data):
    with pytest.raises(MidiError, match="a RIFF file without a MIDI file in it"):
        riff.unwrap(data)


def test_they_are_read_like_others(tmp_path):
    files = {"a.mid": MIDI, "a.kar": MIDI, "a.rmi": riff_file(chunk(b"data", MIDI)), "b.rmi": riff_file()}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    *read, refused = midi_pool.read_batch([tmp_path / name for name in files])
    assert [columns["pitch"].tolist() for columns in read] == [[60]] * 3
    assert refused == "a RIFF file without a MIDI file in it"
