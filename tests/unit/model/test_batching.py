"""Windows: every note once and in order, states reset where pieces begin, the same batches after an interruption."""

import itertools
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.model.batching import PAD_PITCH, PieceSource, note_rows, padding_rows, window_batches
from stages.representation.grid_encoding import PITCH
from stages.training.data import training_batches
from tests.helpers.numpy_model import random_fields


def pieces_of(lengths):
    fields = [random_fields(seed, length) for seed, length in enumerate(lengths)]
    return fields, [PieceSource(key, len(piece), lambda piece=piece: piece) for key, piece in enumerate(fields)]


@given(
    st.lists(st.integers(0, 30), max_size=8),
    st.integers(1, 4),
    st.integers(1, 12),
    st.integers(0, 6),
    st.sampled_from([1, 9, 1024]),
)
def test_every_lane_reads_whole_pieces_in_order(lengths, lanes, window, lookahead, stretch):
    """In however long stretches their rows are made."""
    fields, pieces = pieces_of(lengths)
    read = {key: [] for key in range(len(lengths))}
    with mock.patch("stages.model.batching.BUFFER_NOTES", stretch):
        steps = list(window_batches(pieces, lanes, window, lookahead))
    for batch in steps:
        assert batch.rows.shape == (lanes, 1 + window + lookahead, padding_rows(()).shape[0])
        for rows, reset, key in zip(batch.rows, batch.reset, batch.piece, strict=True):
            if key < 0:
                assert (rows == padding_rows(rows.shape[:1])).all()
                continue
            whole = np.concatenate([padding_rows((1,)), note_rows(fields[key]), padding_rows((window + lookahead,))])
            at = len(read[key])
            assert reset == (at == 0)
            assert (rows == whole[at : at + len(rows)]).all()
            inside = rows[1 : 1 + window]
            read[key] += inside[inside[:, PITCH] < PAD_PITCH].tolist()
    for key, piece in enumerate(fields):
        assert read[key] == (note_rows(piece).tolist() if len(piece) else [])


@given(st.integers(1, 60), st.integers(0, 59))
def test_rows_of_a_piece_s_end_are_the_end_of_its_rows(length, first):
    fields = random_fields(length, length)
    first = min(first, length - 1)
    assert (note_rows(fields, first) == note_rows(fields)[first:]).all()


def batches(skip=0, lengths=(50, 7, 90), **more):
    fields, _ = pieces_of(lengths)
    settings = {
        "seed": 1,
        "streams": 4,
        "window": 8,
        "infill_streams": 2,
        "longest_gap": 5,
        "transpose": 3,
        "stretch": 0.0,
    }
    return training_batches(
        [lambda stretch, piece=piece: piece for piece in fields], list(lengths), **(settings | more), skip=skip
    )


def test_going_on_gives_the_batches_of_an_unbroken_run():
    unbroken = list(itertools.islice(batches(), 40))
    for skip in (1, 17, 39):
        for after, before in zip(batches(skip), unbroken[skip:], strict=False):
            assert all((after[name] == before[name]).all() for name in before)


def test_another_seed_gives_other_batches():
    assert not (next(batches())["rows"] == next(batches(seed=2))["rows"]).all()


def test_a_pass_holds_every_piece_whole_but_for_its_transposition():
    fields, _ = pieces_of((20, 30))
    read, current = [], []
    for batch in itertools.islice(batches(streams=1, infill_streams=1, lengths=(20, 30)), 60):
        if batch["reset"][0] and current:
            read.append(np.concatenate(current))
            current = []
        inside = batch["rows"][0, 1:9]
        current.append(inside[inside[:, PITCH] < PAD_PITCH][:, :4])
    read = read[2:]  # the first pass may begin late in a piece
    assert [sorted(map(len, read[at : at + 2])) for at in range(0, 8, 2)] == [[20, 30]] * 4
    for piece in read:
        original = fields[0] if len(piece) == 20 else fields[1]
        moved = piece[:, PITCH] - original[:, PITCH]
        assert (moved == moved[0]).all() and abs(moved[0]) <= 3
        assert (np.delete(piece, PITCH, 1) == np.delete(original, PITCH, 1)).all()


def test_gaps_are_short_more_often_than_long():
    gaps = np.concatenate(
        [batch["gap"] for batch in itertools.islice(batches(streams=64, infill_streams=64, lengths=(50,)), 60)]
    )
    counts = np.bincount(gaps, minlength=6)[1:]
    assert counts == pytest.approx(len(gaps) * np.arange(1, 6) ** -0.5 / 3.2317, rel=0.15)
