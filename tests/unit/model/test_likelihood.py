"""Likelihood is exact: it sums to one, and the fast scorer agrees with plain float64 loops."""

import keras
import numpy as np
import pytest

from stages.model import batching, likelihood
from stages.model.bilstm import BiLSTM
from stages.representation import grid_encoding
from stages.representation.grid_encoding import DURATION, PITCH, STEP, VELOCITY
from tests.helpers.numpy_model import Reference, random_fields


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(3)
    network = BiLSTM(units=12, trunk=10, head=9, longest_gap=8)
    # Larger weights than training begins with, so that probabilities are far from even.
    network.set_weights(
        [4 * weight + 0.1 * np.random.default_rng(5).normal(size=weight.shape) for weight in network.get_weights()]
    )
    return network


@pytest.mark.parametrize(
    "field, choices", [(STEP, range(1001)), (PITCH, range(88)), (DURATION, range(1, 3001)), (VELOCITY, range(32))]
)
def test_probabilities_of_all_cells_sum_to_one(network, field, choices):
    fields = random_fields(1, 12)
    fields[-1, STEP] = 3  # a chord would leave keys below the last one without probability
    rows = np.concatenate([batching.padding_rows((1,)), batching.note_rows(fields)])
    every = np.repeat(rows[None], len(choices), axis=0)
    every[:, -1, field] = choices
    nats = np.asarray(network(every))[:, -1, field]
    assert np.exp(-nats.astype(np.float64)).sum() == pytest.approx(1, abs=1e-4)


def test_within_a_chord_the_keys_above_share_all_probability(network):
    fields = random_fields(1, 12)
    fields[-1, STEP], below = 0, fields[-2, PITCH]
    rows = np.concatenate([batching.padding_rows((1,)), batching.note_rows(fields)])
    every = np.repeat(rows[None], 88, axis=0)
    every[:, -1, PITCH] = range(88)
    chances = np.exp(-np.asarray(network(every))[:, -1, PITCH].astype(np.float64))
    assert chances[:below].max() == 0
    assert chances[below:].sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("gap", [None, 1, 4])
def test_agrees_with_plain_loops(network, monkeypatch, gap):
    # Windows shorter than the pieces, so that states are carried; lanes fewer, so that they change pieces.
    monkeypatch.setattr(likelihood, "SEQ_LEN", 16)
    monkeypatch.setattr(likelihood, "BATCH_SIZE", 2)
    pieces = [random_fields(seed, notes) for seed, notes in enumerate([40, 1, 16, 17, 33])]
    scores = likelihood.make_scorer(network, [gap] if gap else [])(pieces)
    slow = Reference(network)
    expected = np.stack([slow.nats(piece, gap).sum(axis=0) for piece in pieces])
    np.testing.assert_allclose(scores.infilling[gap] if gap else scores.continuation, expected, rtol=1e-4)
    assert scores.mean(gap)["total"] == pytest.approx(expected.sum() / 107, rel=1e-5)
    assert scores.notes.tolist() == [40, 1, 16, 17, 33]


@pytest.mark.parametrize("gap", [1, 4])
def test_filling_in_is_told_nothing_of_what_it_is_asked_for(network, gap):
    """Whatever the notes in the gap are, the future looks the same from there: only when they begin may be told."""
    fields = random_fields(9, 30)
    at = slice(12, 12 + gap)
    other = fields.copy()
    other[at, PITCH] = (other[at, PITCH] + 7) % 88
    other[at, DURATION] = 1 + (other[at, DURATION] + 50) % 400
    other[at, VELOCITY] = (other[at, VELOCITY] + 9) % 32
    contexts = []
    for variant in (fields, other):
        rows = np.concatenate([batching.padding_rows((1,)), batching.note_rows(variant)])[None]
        past, _ = network.past(rows[:, :13], None)
        ahead = network.ahead(rows, network.future(rows), np.array([gap]), 13)
        assert ahead.room[0, 12] == fields[12 : 13 + gap, STEP].sum()
        *told, _ = network.context(past, rows[:, :13], ahead)
        contexts.append(np.stack([part[0, 12] for part in told]))
    np.testing.assert_array_equal(*contexts)
    # And when notes move about within the room, it is not told either.
    fields[[12, 12 + gap], STEP] = 5, 9
    other = fields.copy()
    other[[12, 12 + gap], STEP] = 3, 11
    one, two = (network.future(batching.note_rows(variant)[None])[0, 12 + gap] for variant in (fields, other))
    np.testing.assert_array_equal(one, two)


def test_unigram_floor_against_counting():
    train = np.array([[0, 10, 1, 5], [0, 10, 2, 5], [40, 11, 50, 6]], np.int32)
    test = np.array([[0, 10, 1, 5]], np.int32)
    nats = likelihood.unigram_nll(train, test)
    assert nats[STEP] == pytest.approx(-np.log((2 + 1) / (3 + grid_encoding.STEP_BINS)))
    assert nats[PITCH] == pytest.approx(-np.log((2 + 1) / (3 + 88)))
    assert nats[DURATION] == pytest.approx(-np.log((1 + 1) / (3 + grid_encoding.DURATION_BINS)))
    wide = np.array([[100, 10, 1000, 5]], np.int32)  # in bins of several cells, none of them seen
    width = grid_encoding.STEP_WIDTHS[grid_encoding.STEP_BIN[100]]
    assert likelihood.unigram_nll(train, wide)[STEP] == pytest.approx(
        np.log(3 + grid_encoding.STEP_BINS) + np.log(width)
    )
