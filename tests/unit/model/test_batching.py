"""Window batches: every note once and in order, states reset where pieces begin, skipped batches not computed."""

from functools import partial
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.model.batching import PieceSource, window_batches
from stages.model.history import PAD_PITCH, note_rows, padding_rows
from stages.representation.grid_encoding import PITCH
from tests.helpers.made_up_notes import random_fields


def return_fields(fields):
    return fields


def random_pieces(lengths):
    fields = [random_fields(seed, length) for seed, length in enumerate(lengths)]
    return fields, [PieceSource(key, len(piece), partial(return_fields, piece)) for key, piece in enumerate(fields)]


@given(
    st.lists(st.integers(0, 30), max_size=8),
    st.integers(1, 4),
    st.integers(1, 12),
    st.integers(0, 6),
    st.sampled_from([1, 9, 1024]),
)
def test_every_batch_row_reads_whole_pieces_in_order(lengths, batch_size, seq_len, lookahead, buffer_notes):
    """Whatever the number of notes for which rows are computed at a time."""
    fields, pieces = random_pieces(lengths)
    notes_read = {key: [] for key in range(len(lengths))}
    with mock.patch("stages.model.batching.BUFFER_NOTES", buffer_notes):
        batches = list(window_batches(pieces, batch_size, seq_len, lookahead))
    for batch in batches:
        assert batch.rows.shape == (batch_size, 1 + seq_len + lookahead, padding_rows(()).shape[0])
        for rows, reset, key in zip(batch.rows, batch.reset, batch.piece, strict=True):
            if key < 0:
                assert (rows == padding_rows(rows.shape[:1])).all()
                continue
            whole = np.concatenate([padding_rows((1,)), note_rows(fields[key]), padding_rows((seq_len + lookahead,))])
            position = len(notes_read[key])
            assert reset == (position == 0)
            assert (rows == whole[position : position + len(rows)]).all()
            window = rows[1 : 1 + seq_len]
            notes_read[key] += window[window[:, PITCH] < PAD_PITCH].tolist()
    for key, piece in enumerate(fields):
        assert notes_read[key] == (note_rows(piece).tolist() if len(piece) else [])


@pytest.mark.parametrize("skip", [0, 1, 4, 9, 100])
def test_skipping_leaves_out_the_first_batches_and_changes_no_other(skip):
    _, pieces = random_pieces([50, 7, 90, 30, 1])
    skipped = list(window_batches(pieces, 2, 8, 3, skip))
    expected = list(window_batches(pieces, 2, 8, 3))[skip:]
    assert len(skipped) == len(expected)
    for batch, other in zip(skipped, expected, strict=True):
        assert (batch.rows == other.rows).all()
        assert (batch.reset == other.reset).all() and (batch.piece == other.piece).all()


def test_pieces_that_only_skipped_batches_need_are_not_loaded():
    fields, _ = random_pieces([16, 16, 16])
    loaded = []

    def load(key):
        loaded.append(key)
        return fields[key]

    pieces = [PieceSource(key, 16, partial(load, key)) for key in range(3)]
    assert len(list(window_batches(pieces, 1, 8, 0, skip=3))) == 3
    assert loaded == [1, 2]


def test_start_fractions_leave_out_the_beginning_of_first_pieces_only():
    fields, pieces = random_pieces([40, 20, 33, 9])
    batches = list(window_batches(pieces, 2, 8, 0, start_fractions=np.array([0.5, 0.99])))
    # Of the 5 windows of the first piece 2 are left out, and of the 3 of the second piece 2.
    first = {key: next(batch for batch in batches if key in batch.piece) for key in range(4)}
    positions = {0: 16, 1: 16, 2: 0, 3: 0}
    for key, batch in first.items():
        row = batch.piece.tolist().index(key)
        assert batch.reset[row]
        assert (batch.rows[row, 0] == padding_rows(())).all()
        expected = note_rows(fields[key])[positions[key] :][:8]
        assert (batch.rows[row, 1 : 1 + len(expected)] == expected).all()
