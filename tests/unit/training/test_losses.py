"""Sums of the training loss."""

import math

import pytest

from stages.training.losses import LOSS_SUMS, LossSums


def batch_sums(**values):
    return dict.fromkeys(LOSS_SUMS, 1.0) | {"loss": 9.0} | values


def test_sums_are_added_by_name_and_give_nats_per_note():
    sums = LossSums()
    for _ in range(2):
        sums.add({"infill_notes": 2, "infill_nll": 3, "continuation_notes": 8, "continuation_nll": 20, "loss": 9})
    assert sums == LossSums(continuation_nll=40, continuation_notes=16, infill_nll=6, infill_notes=4)
    assert (sums.continuation_loss, sums.infill_loss) == (2.5, 1.5)


def test_without_notes_there_is_no_division_by_zero():
    assert LossSums().continuation_loss == 0
    assert math.isnan(LossSums().infill_loss)


@pytest.mark.parametrize("name", LOSS_SUMS)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_every_sum_is_checked_for_being_finite(name, value):
    sums = LossSums()
    sums.add(batch_sums())
    assert sums.is_finite()
    sums.add(batch_sums(**{name: value}))
    assert not sums.is_finite()
