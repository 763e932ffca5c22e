"""Melodies and what is copied in them, by hand and against looking everywhere; and their file."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.metrics import copying, note_features
from stages.utils.errors import InputError
from tests.helpers.numpy_model import note_table

pitches = st.lists(st.integers(60, 63), max_size=24).map(np.array)


def test_melodies_order_chords_from_low_to_high():
    rows = [(0, 0.0, 1, 67, 1), (0, 0.03, 1, 60, 1), (0, 0.05, 1, 64, 1), (0, 0.5, 1, 72, 1), (0, 0.54, 1, 48, 1)]
    lines = copying.pitch_sequences(note_features.quantize(note_table([*rows, (3, 0.0, 1, 50, 1)])))
    assert [line.tolist() for line in lines] == [[60, 64, 67, 72, 48], [50]]
    assert copying.pitch_sequences(note_features.quantize(note_table([]))) == []


def copied(corpus: list[np.ndarray], excerpt: np.ndarray) -> int:
    """The most notes in a row of the excerpt whose intervals stand in a piece, by looking everywhere."""
    found = {
        tuple(np.diff(piece[begin:end]).tolist())
        for piece in corpus
        for begin in range(len(piece))
        for end in range(begin + 1, len(piece) + 1)
    }
    runs = [
        end - begin
        for begin in range(len(excerpt))
        for end in range(begin + 1, len(excerpt) + 1)
        if end - begin == 1 or tuple(np.diff(excerpt[begin:end]).tolist()) in found
    ]
    return max(runs, default=0)


@settings(deadline=None)
@given(st.lists(pitches, max_size=4), st.lists(pitches, max_size=4))
def test_longest_copies_against_looking_everywhere(corpus: list[np.ndarray], excerpts: list[np.ndarray]):
    expected = [copied(corpus, excerpt) for excerpt in excerpts]
    assert copying.longest_copied_runs(corpus, excerpts).tolist() == expected


def test_longest_copies_by_hand():
    random = np.random.default_rng(0)
    corpus = [random.integers(21, 109, size, np.uint8) for size in (3000, 2000)]
    transposed = np.concatenate([[60, 61], corpus[1][700:1000].astype(int) - 20, [60, 61]])
    across = np.concatenate([corpus[0][-20:], corpus[1][:30]])  # two runs, not one: no piece has them in a row
    excerpts = [transposed, across, corpus[0], np.array([], int), np.array([60])]
    longest = copying.longest_copied_runs(corpus, excerpts).tolist()
    assert longest == [300, 30, 3000, 0, 1]
    assert copying.longest_copied_runs([], excerpts).tolist() == [1, 1, 1, 0, 1]
    assert copying.longest_copied_runs(corpus, []).tolist() == []


@pytest.mark.parametrize("lengths", [[], [1], [300, 1, 70_000]])
def test_what_was_written_is_read(tmp_path, lengths):
    random = np.random.default_rng(1)
    lines = [random.integers(0, 128, length).astype(np.uint8) for length in lengths]
    copying.write_pitch_sequences(tmp_path / "m.parquet", lines)
    read = copying.read_pitch_sequences(tmp_path / "m.parquet")
    assert [line.tolist() for line in read] == [line.tolist() for line in lines]


def test_a_melody_that_stands_twice_takes_the_room_of_one(tmp_path):
    line = np.random.default_rng(1).integers(21, 109, 100_000).astype(np.uint8)
    sizes = []
    for lines in ([line], [line, line]):
        copying.write_pitch_sequences(tmp_path / "m.parquet", lines)
        sizes.append((tmp_path / "m.parquet").stat().st_size)
    assert sizes[1] < 1.1 * sizes[0]


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(InputError, match="not found"):
        copying.read_pitch_sequences(tmp_path / "m.parquet")
    (tmp_path / "m.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="not a table of melodies"):
        copying.read_pitch_sequences(tmp_path / "m.parquet")
