"""Training batches: every piece whole, augmented, and the same batches after an interruption."""

import itertools
from functools import partial

import numpy as np
import pytest

from stages.model.history import PAD_PITCH
from stages.representation.grid_encoding import PITCH, VELOCITY
from stages.training.data import BatchConfig, TrainingPiece, training_batches
from tests.helpers.made_up_notes import random_fields

SEQ_LEN = 8
CONFIG = {
    "seed": 1,
    "batch_size": 4,
    "seq_len": SEQ_LEN,
    "infill_fraction": 0.5,
    "max_gap_notes": 5,
    "transpose_semitones": 3,
    "time_stretch": 0.0,
}


def ignore_stretch(fields, stretch):
    return fields


def make_batches(lengths=(50, 7, 90), skip=0, **config):
    """Batches of random pieces of these lengths, in notes."""
    fields = [random_fields(seed, length) for seed, length in enumerate(lengths)]
    pieces = [TrainingPiece(len(piece), partial(ignore_stretch, piece)) for piece in fields]
    return training_batches(pieces, BatchConfig(**(CONFIG | config)), skip)


def test_shapes_and_types():
    batch = next(make_batches())
    assert batch["rows"].shape[:2] == (4, 1 + 8 + 5) and batch["rows"].dtype == np.int16
    assert batch["reset"].shape == (4,) and batch["reset"].dtype == bool
    assert batch["gap"].shape == (2,) and batch["gap"].dtype == np.int32


@pytest.mark.parametrize("fraction, rows", [(0.0, 0), (0.25, 1), (0.3, 1), (0.4, 2), (1.0, 4)])
def test_a_fraction_of_the_batch_rows_infills(fraction, rows):
    assert next(make_batches(infill_fraction=fraction))["gap"].shape == (rows,)


def test_resumed_batches_are_those_of_an_uninterrupted_run():
    uninterrupted = list(itertools.islice(make_batches(time_stretch=0.1), 40))
    for skip in (1, 17, 39):
        resumed = make_batches(skip=skip, time_stretch=0.1)
        for after, before in zip(resumed, uninterrupted[skip:], strict=False):
            assert all((after[name] == before[name]).all() for name in before)


def test_another_seed_gives_other_batches():
    first, second = next(make_batches(seed=1)), next(make_batches(seed=2))
    assert not (first["rows"] == second["rows"]).all()


def test_a_pass_holds_every_piece_whole_except_for_its_transposition():
    originals = {20: random_fields(0, 20), 30: random_fields(1, 30)}
    pieces, windows = [], []
    for batch in itertools.islice(make_batches(lengths=(20, 30), batch_size=1), 60):
        if batch["reset"][0] and windows:
            pieces.append(np.concatenate(windows))
            windows = []
        window = batch["rows"][0, 1 : 1 + SEQ_LEN]
        windows.append(window[window[:, PITCH] < PAD_PITCH][:, :4])
    pieces = pieces[2:]  # the first pass may start in the middle of a piece
    assert [sorted(map(len, pieces[first : first + 2])) for first in range(0, 8, 2)] == [[20, 30]] * 4
    transpositions = set()
    for piece in pieces:
        original = originals[len(piece)]
        difference = piece[:, PITCH] - original[:, PITCH]
        assert (difference == difference[0]).all() and abs(difference[0]) <= 3
        assert (np.delete(piece, PITCH, 1) == np.delete(original, PITCH, 1)).all()
        transpositions.add(int(difference[0]))
    assert len(transpositions) > 1


def test_time_is_stretched_by_at_most_the_given_fraction_and_as_often_shortened_as_lengthened():
    factors = []

    def load(factor):
        factors.append(factor)
        return random_fields(1, 8)

    batches = training_batches([TrainingPiece(8, load)], BatchConfig(**CONFIG | {"time_stretch": 0.1}))
    for _ in range(50):
        next(batches)
    assert len(factors) == 200
    assert 1 / 1.1 <= min(factors) < 0.92 and 1.08 < max(factors) <= 1.1
    assert 70 < sum(factor < 1 for factor in factors) < 130


def test_gaps_are_short_more_often_than_long():
    batches = itertools.islice(make_batches(lengths=(50,), batch_size=64, infill_fraction=1.0), 60)
    gaps = np.concatenate([batch["gap"] for batch in batches])
    counts = np.bincount(gaps, minlength=6)[1:]
    assert counts == pytest.approx(len(gaps) * np.arange(1, 6) ** -0.5 / 3.2317, rel=0.15)


def test_batches_to_expand_on_the_device_hold_the_same_windows():
    rows, fields = make_batches(time_stretch=0.1), make_batches(time_stretch=0.1, expand_on_device=True)
    for expected, batch in itertools.islice(zip(rows, fields, strict=False), 20):
        assert "rows" not in batch
        assert (batch["reset"] == expected["reset"]).all() and (batch["gap"] == expected["gap"]).all()
        assert (batch["fields"][:, -SEQ_LEN:] == expected["rows"][:, -SEQ_LEN:, :4]).all()


def test_loudness_is_shifted_by_whole_pieces_and_changes_nothing_else():
    plain, shifted = make_batches(lengths=(8, 8)), make_batches(lengths=(8, 8), velocity_shift=2)
    seen = set()
    for expected, batch in itertools.islice(zip(plain, shifted, strict=False), 30):
        window, original = (one["rows"][:, 1 : 1 + SEQ_LEN, :4].astype(int) for one in (batch, expected))
        assert (np.delete(window, VELOCITY, -1) == np.delete(original, VELOCITY, -1)).all()
        change = window[..., VELOCITY] - original[..., VELOCITY]
        assert (abs(change) <= 2).all()
        for row in range(len(window)):
            clipped = np.isin(window[row, :, VELOCITY], (0, 31))
            assert len(set(change[row][~clipped])) <= 1
            seen |= set(change[row][~clipped])
    assert seen == {-2, -1, 0, 1, 2}
