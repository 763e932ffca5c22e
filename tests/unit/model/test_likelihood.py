"""Likelihood is exact: probabilities sum to one, and the scorer agrees with plain float64 loops."""

import keras
import numpy as np
import pytest

from stages.model import history, likelihood
from stages.model.bilstm import BiLSTM
from stages.representation import grid_encoding
from stages.representation.grid_encoding import DURATION, PITCH, STEP, VELOCITY
from tests.helpers.made_up_notes import random_fields
from tests.helpers.numpy_model import ReferenceModel


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(3)
    network = BiLSTM(lstm_units=12, trunk_units=10, head_units=9, max_gap_notes=8)
    # Larger weights than the initial ones, so that probabilities are far from uniform.
    network.set_weights(
        [4 * weight + 0.1 * np.random.default_rng(5).normal(size=weight.shape) for weight in network.get_weights()]
    )
    return network


def padded_rows(fields):
    """The rows of a piece after one row of padding, as a batch of one."""
    return np.concatenate([history.padding_rows((1,)), history.note_rows(fields)])[None]


def last_note_probabilities(network, fields, field, values):
    """The probability of each of `values` in one field of the last note."""
    rows = np.repeat(padded_rows(fields), len(values), axis=0)
    rows[:, -1, field] = values
    nll = np.asarray(network(rows))[:, -1, field]
    return np.exp(-nll.astype(np.float64))


@pytest.mark.parametrize(
    "field, values", [(STEP, range(1001)), (PITCH, range(88)), (DURATION, range(1, 3001)), (VELOCITY, range(32))]
)
def test_probabilities_of_all_values_sum_to_one(network, field, values):
    fields = random_fields(1, 12)
    fields[-1, STEP] = 3  # with the same onset, keys below the previous one would have no probability
    assert last_note_probabilities(network, fields, field, values).sum() == pytest.approx(1, abs=1e-4)


def test_with_the_same_onset_only_keys_above_the_previous_one_are_possible(network):
    fields = random_fields(1, 12)
    fields[-1, STEP], previous_pitch = 0, fields[-2, PITCH]
    probabilities = last_note_probabilities(network, fields, PITCH, range(88))
    assert probabilities[:previous_pitch].max() == 0
    assert probabilities[previous_pitch:].sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.slow
def test_scores_match_plain_loops(network, monkeypatch):
    # Windows shorter than the pieces, so that states are carried; fewer batch rows, so that they change pieces.
    monkeypatch.setattr(likelihood, "SEQ_LEN", 16)
    monkeypatch.setattr(likelihood, "BATCH_SIZE", 2)
    lengths = [40, 1, 16, 17, 33]
    pieces = [random_fields(seed, notes) for seed, notes in enumerate(lengths)]
    scores = likelihood.make_scorer(network, [1, 4])(pieces)
    assert scores.num_notes.tolist() == lengths
    reference = ReferenceModel(network)
    for gap in (None, 1, 4):
        expected = np.stack([reference.nll(piece, gap).sum(axis=0) for piece in pieces])
        np.testing.assert_allclose(scores.infill[gap] if gap else scores.continuation, expected, rtol=1e-4)
        assert scores.mean(gap)["total"] == pytest.approx(expected.sum() / sum(lengths), rel=1e-5)


def test_means_over_some_pieces():
    nll = np.arange(12.0).reshape(3, 4)
    scores = likelihood.Scores(np.array([1, 2, 4]), nll, {3: 2 * nll})
    # Pieces 0 and 2 have 5 notes, and the sums of their fields are 8, 10, 12 and 14.
    some = scores.mean(pieces=np.array([True, False, True]))
    assert some == pytest.approx(
        {"total": 44 / 5, "step": 8 / 5, "pitch": 10 / 5, "duration": 12 / 5, "velocity": 14 / 5}
    )
    assert scores.mean(3)["total"] == pytest.approx(2 * scores.mean()["total"])


@pytest.mark.parametrize("gap", [1, 4])
def test_infill_does_not_see_the_notes_in_the_gap(network, gap):
    """Whatever the notes in the gap are, the heads' inputs are the same; only the time to the future may be seen."""
    fields = random_fields(9, 30)
    in_gap = slice(12, 12 + gap)
    changed = fields.copy()
    changed[in_gap, PITCH] = (changed[in_gap, PITCH] + 7) % 88
    changed[in_gap, DURATION] = 1 + (changed[in_gap, DURATION] + 50) % 400
    changed[in_gap, VELOCITY] = (changed[in_gap, VELOCITY] + 9) % 32
    seen = []
    for variant in (fields, changed):
        rows = padded_rows(variant)
        past_outputs, _ = network.read_past(rows[:, :13], None)
        future_context = network.future_context(rows, network.read_future(rows), np.array([gap]), 13)
        assert future_context.time_to_future[0, 12] == fields[12 : 13 + gap, STEP].sum()
        *head_inputs, _ = network.head_inputs(past_outputs, rows[:, :13], future_context)
        seen.append(np.stack([values[0, 12] for values in head_inputs]))
    np.testing.assert_array_equal(*seen)


@pytest.mark.parametrize("gap", [1, 4])
def test_the_future_does_not_depend_on_onsets_in_the_gap(network, gap):
    fields = random_fields(9, 30)
    outputs = []
    for steps in ((5, 9), (3, 11)):  # the same time to the future
        fields[[12, 12 + gap], STEP] = steps
        outputs.append(network.read_future(history.note_rows(fields)[None])[0, 12 + gap])
    np.testing.assert_array_equal(*outputs)


def test_unigram_nll_matches_counting():
    train = np.array([[0, 10, 1, 5], [0, 10, 2, 5], [40, 11, 50, 6]], np.int32)
    test = np.array([[0, 10, 1, 5]], np.int32)
    nll = likelihood.unigram_nll([train[:1], train[1:]], [test, test])  # pieces; the mean is over all notes
    assert nll[STEP] == pytest.approx(-np.log((2 + 1) / (3 + grid_encoding.STEP_BINS)))
    assert nll[PITCH] == pytest.approx(-np.log((2 + 1) / (3 + 88)))
    assert nll[DURATION] == pytest.approx(-np.log((1 + 1) / (3 + grid_encoding.DURATION_BINS)))
    wide = np.array([[100, 10, 1000, 5]], np.int32)  # in bins of several frames that do not occur in train
    width = grid_encoding.STEP_WIDTHS[grid_encoding.STEP_BIN[100]]
    assert likelihood.unigram_nll([train], [wide])[STEP] == pytest.approx(
        np.log(3 + grid_encoding.STEP_BINS) + np.log(width)
    )
