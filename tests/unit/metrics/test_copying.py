"""Pitch sequences, copied runs (by hand and against an exhaustive search), and the file of pitch sequences."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.metrics import copying, note_features
from stages.utils.errors import InputError
from tests.helpers.made_up_notes import note_table

pitch_arrays = st.lists(st.integers(60, 63), max_size=24).map(np.array)


def test_pitch_sequences_sort_chords_by_pitch():
    rows = [(0, 0.0, 1, 67, 1), (0, 0.03, 1, 60, 1), (0, 0.05, 1, 64, 1), (0, 0.5, 1, 72, 1), (0, 0.54, 1, 48, 1)]
    sequences = copying.pitch_sequences(note_features.quantize(note_table([*rows, (3, 0.0, 1, 50, 1)])))
    assert [sequence.tolist() for sequence in sequences] == [[60, 64, 67, 72, 48], [50]]
    assert copying.pitch_sequences(note_features.quantize(note_table([]))) == []


def longest_copied_run(corpus: list[np.ndarray], excerpt: np.ndarray) -> int:
    """Return the notes of an excerpt's longest run whose intervals occur in a piece, by exhaustive search."""
    occurring = {
        tuple(np.diff(piece[begin:end]).tolist())
        for piece in corpus
        for begin in range(len(piece))
        for end in range(begin + 1, len(piece) + 1)
    }
    runs = [
        end - begin
        for begin in range(len(excerpt))
        for end in range(begin + 1, len(excerpt) + 1)
        if end - begin == 1 or tuple(np.diff(excerpt[begin:end]).tolist()) in occurring
    ]
    return max(runs, default=0)


@given(st.lists(pitch_arrays, max_size=4), st.lists(pitch_arrays, max_size=4))
def test_copied_runs_equal_those_of_an_exhaustive_search(corpus: list[np.ndarray], excerpts: list[np.ndarray]):
    expected = [longest_copied_run(corpus, excerpt) for excerpt in excerpts]
    assert copying.longest_copied_runs(corpus, excerpts).tolist() == expected


def test_copied_runs_by_hand():
    random = np.random.default_rng(0)
    corpus = [random.integers(21, 109, size, np.uint8) for size in (3000, 2000)]
    transposed = np.concatenate([[60, 61], corpus[1][700:1000].astype(int) - 20, [60, 61]])
    across_pieces = np.concatenate([corpus[0][-20:], corpus[1][:30]])  # two runs: no piece has them in succession
    excerpts = [transposed, across_pieces, corpus[0], np.array([], int), np.array([60])]
    assert copying.longest_copied_runs(corpus, excerpts).tolist() == [300, 30, 3000, 0, 1]
    assert copying.longest_copied_runs([], excerpts).tolist() == [1, 1, 1, 0, 1]
    assert copying.longest_copied_runs(corpus, []).tolist() == []


@pytest.mark.parametrize("lengths", [[], [1], [300, 1, 70_000]])
def test_written_sequences_are_read_back(tmp_path, lengths):
    random = np.random.default_rng(1)
    sequences = [random.integers(0, 128, length).astype(np.uint8) for length in lengths]
    copying.write_pitch_sequences(tmp_path / "p.parquet", sequences)
    read = copying.read_pitch_sequences(tmp_path / "p.parquet")
    assert [sequence.tolist() for sequence in read] == [sequence.tolist() for sequence in sequences]


def test_a_repeated_sequence_hardly_enlarges_the_file(tmp_path):
    sequence = np.random.default_rng(1).integers(21, 109, 100_000).astype(np.uint8)
    sizes = []
    for sequences in ([sequence], [sequence, sequence]):
        copying.write_pitch_sequences(tmp_path / "p.parquet", sequences)
        sizes.append((tmp_path / "p.parquet").stat().st_size)
    assert sizes[1] < 1.1 * sizes[0]


def test_missing_unreadable_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "p.parquet"
    with pytest.raises(InputError, match=r"p\.parquet: not found"):
        copying.read_pitch_sequences(path)
    path.write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"p\.parquet: not a readable parquet file"):
        copying.read_pitch_sequences(path)
    pq.write_table(pa.table({"piece": pa.array([0], pa.int32())}), path)
    with pytest.raises(InputError, match=r"p\.parquet: no column pitch"):
        copying.read_pitch_sequences(path)
