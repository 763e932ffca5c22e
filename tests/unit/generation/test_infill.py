"""Infills are sampled from the distributions of the network given the future, and stay within their gap."""

from itertools import pairwise

import numpy as np
import pytest

from stages.generation.infill import Gap, InfillRequest, generate_infills
from stages.model import history
from stages.representation import grid_encoding
from stages.representation.grid_encoding import PITCH, STEP
from tests.helpers.made_up_notes import random_fields

FIELDS = random_fields(8, 60)
PAST = FIELDS[:20]


@pytest.mark.slow
@pytest.mark.parametrize("first, end", [(0, 300), (40, 300), (250, 260), (1500, 1600)])
def test_onsets_are_within_the_gap(network, first, end):
    gap = Gap(PAST, FIELDS[28:], frames_to_future=end + 20, first_frame=first, end_frame=end)
    infills = generate_infills(network, InfillRequest([gap] * 9, num_notes=12), seed=1)
    assert any(len(fields) == 12 for fields in infills)
    for fields in infills:
        onset = np.cumsum(fields[:, STEP])
        assert onset[0] >= first and onset[-1] < end
        same_onset = fields[1:, STEP] == 0
        assert (fields[1:, PITCH] > fields[:-1, PITCH])[same_onset].all()


@pytest.mark.slow
def test_notes_are_sampled_from_the_distributions_of_the_network_given_the_future(network, two_notes_per_call):
    """Compare with the context that evaluation uses for the first note of a gap."""
    num_notes = 6
    frames_to_future = int(FIELDS[20:27, STEP].sum())
    gap = Gap(PAST, FIELDS[26:], frames_to_future)
    infills = generate_infills(network, InfillRequest([gap] * 1000, num_notes), seed=1)
    steps = np.array([fields[0, STEP] for fields in infills])
    rows = np.concatenate([history.padding_rows((1,)), history.note_rows(FIELDS)])[None]
    future = network.future_context(rows, network.read_future(rows), np.array([num_notes]), 21)
    assert future.time_to_future[0, 20] == frames_to_future
    head_inputs = network.head_inputs(network.read_past(rows[:, :21], None)[0], rows[:, :21], future)
    probabilities = np.exp(np.asarray(network.step_log_probs(head_inputs)))[0, 20]
    # Of each bin only the frames before the future count.
    probabilities *= [np.mean(np.arange(*edges) < frames_to_future) for edges in pairwise(grid_encoding.STEP_EDGES)]
    probabilities /= probabilities.sum()
    counts = np.bincount(grid_encoding.STEP_BIN[steps], minlength=grid_encoding.STEP_BINS)
    deviation = np.sqrt(1000 * probabilities * (1 - probabilities) + 1)
    assert np.abs((counts - 1000 * probabilities) / deviation).max() < 4.5


def test_a_gap_of_more_notes_than_the_longest_of_the_network(network):
    (fields,) = generate_infills(network, InfillRequest([Gap(PAST, FIELDS[30:], 900)], num_notes=25), seed=1)
    assert fields.shape == (25, 4) and fields[:, STEP].sum() < 900


@pytest.mark.slow
def test_infills_depend_on_the_future_of_their_own_gap(network):
    early, late = (Gap(PAST, FIELDS[first:], 300) for first in (30, 45))
    one, other = (generate_infills(network, InfillRequest([gap, late], 6), seed=1) for gap in (early, late))
    assert not np.array_equal(one[0], other[0])
    assert np.array_equal(one[1], other[1])


def test_no_gaps_give_no_infills(network):
    assert generate_infills(network, InfillRequest([], num_notes=10), seed=1) == []
