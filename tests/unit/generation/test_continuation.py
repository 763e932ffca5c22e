"""Continuations are reproducible, of the length asked for, and independent of each other."""

import numpy as np
import pytest

from stages.generation.continuation import ContinuationRequest, generate_continuations
from stages.representation.grid_encoding import STEP
from tests.helpers.made_up_notes import random_fields

pytestmark = pytest.mark.slow

NO_NOTES = np.zeros((0, 4), np.int32)
PROMPTS = [NO_NOTES, random_fields(1, 9)]


def test_the_same_seed_gives_the_same_notes(network):
    request = ContinuationRequest(PROMPTS, num_notes=70)
    once, again, other = (generate_continuations(network, request, seed) for seed in (1, 1, 2))
    assert [fields.shape for fields in once] == [(70, 4)] * 2
    assert all((a == b).all() for a, b in zip(once, again, strict=True))
    assert not (once[0] == other[0]).all()
    with_a_third = generate_continuations(network, ContinuationRequest([*PROMPTS, NO_NOTES], 70), seed=1)
    # In another batch sums may be added in another order.
    assert all((a == b).mean() > 0.9 for a, b in zip(once, with_a_third[:2], strict=True))


def test_max_frames_keeps_the_notes_that_begin_before(network):
    unlimited = generate_continuations(network, ContinuationRequest(PROMPTS, 200), seed=2)
    limited = generate_continuations(network, ContinuationRequest(PROMPTS, 10_000, max_frames=500), seed=2)
    for fields, expected in zip(limited, unlimited, strict=True):
        onset = np.cumsum(expected[:, STEP])
        assert onset[-1] >= 500  # or nothing would be cut off
        assert (fields == expected[onset < 500]).all()


def test_no_prompts_give_no_continuations(network):
    assert generate_continuations(network, ContinuationRequest([], num_notes=10), seed=1) == []
