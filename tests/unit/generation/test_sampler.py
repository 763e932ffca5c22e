"""Playing draws from the network's own distribution, keeps to what hands can do, and repeats itself for a seed."""

from itertools import pairwise

import keras
import numpy as np
import pytest

from stages.generation import sampler, tempo
from stages.model import batching, history
from stages.model.bilstm import NUM_POINTERS, BiLSTM, HeadInputs
from stages.representation import grid_encoding
from stages.representation.grid_encoding import DURATION, PITCH, STEP, VELOCITY
from tests.helpers.numpy_model import random_fields

NOTHING = np.zeros((0, 4), np.int32)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(3)
    network = BiLSTM(units=12, trunk=10, head=9, longest_gap=8)
    network.set_weights([3 * weight for weight in network.get_weights()])
    # Short steps and ends together, as in music: untrained, both are rare.
    network.step_logits.bias.assign(np.linspace(4, -4, grid_encoding.STEP_BINS))
    network.duration_logits.bias.assign(np.repeat([0, 3], [grid_encoding.DURATION_BINS, NUM_POINTERS]))
    return network


@pytest.mark.parametrize("steadiness", [0.0, 2.0])
def test_every_note_is_drawn_from_what_the_network_says_of_it(network, steadiness):
    """Hold the loop, which carries its state from note to note and chunk to chunk, against reading it all at once."""
    prompt, notes = random_fields(6, 200), 2 * sampler.NOTES_PER_CALL + 7
    prompt[:, STEP] = 150  # far slower than what comes, so that the pace changes from chunk to chunk
    played = sampler.generate_continuations(network, [prompt], notes, 4, sampler.SamplingConfig(steadiness=steadiness))[
        0
    ]
    draws = np.random.default_rng((4, 4, 0)).random((notes, 6), np.float32).T
    rows = np.concatenate([batching.padding_rows((1,)), batching.note_rows(np.concatenate([prompt, played]))])[None]
    context = network.context(network.past(rows[:, :-1], None)[0], rows[:, :-1])
    context = HeadInputs(*(part[0, len(prompt) :] for part in context[:4]))
    before, rows = rows[0, len(prompt) : -1], rows[0, 1 + len(prompt) :]
    step, pitch, duration, velocity = rows[:, :4].T
    remaining = rows[:, batching.REMAINING]

    def drawn(log_probabilities, uniform):
        return np.asarray(sampler._draw(np.exp(log_probabilities), uniform, 1.0, 1.0, 0.0))

    def mostly_equal(expected, found):
        # A chance that falls on the edge between two choices may go either way in another order of sums.
        assert np.mean(np.asarray(expected) == found) > 0.97

    # After the highest key there must be a step, whatever the network says.
    below = before[:, PITCH] != grid_encoding.NUM_KEYS - 1
    pace = np.stack([tempo.tempo_state(np.concatenate([prompt, played[:at]])) for at in range(notes)])
    of_step = np.asarray(network.step(context)) + np.asarray(tempo.step_logit_bias(pace, steadiness))
    mostly_equal(drawn(of_step, draws[0])[below], grid_encoding.STEP_BIN[step][below])
    assert step[~below].all()
    of_pitch = np.array(network.pitch(context, rows, before[:, PITCH]))
    chord = np.flatnonzero((step == 0) & (before[:, PITCH] < 88))
    of_pitch[chord, before[chord, PITCH]] = -np.inf  # no key twice in one instant
    mostly_equal(drawn(of_pitch, draws[2]), pitch)
    choice = drawn(network.duration(context, rows), draws[3])
    pointed = choice >= grid_encoding.DURATION_BINS
    assert pointed.sum() > 10
    mostly_equal(choice[~pointed], grid_encoding.DURATION_BIN[duration[~pointed]])
    near, back = np.divmod(choice[pointed] - grid_encoding.DURATION_BINS, history.NUM_RECENT)
    mostly_equal(remaining[pointed][np.arange(pointed.sum()), back] + near - 1, duration[pointed])
    mostly_equal(drawn(network.velocity(context, rows), draws[5]), velocity)


def test_steps_occur_as_often_as_they_should(network):
    prompt = random_fields(5, 30)
    many = np.stack([notes[0] for notes in sampler.generate_continuations(network, [prompt] * 4000, 1, seed=1)])
    rows = np.concatenate([batching.padding_rows((1,)), batching.note_rows(prompt)])[None]
    chances = np.exp(np.asarray(network.step(network.context(network.past(rows, None)[0], rows)))[0, -1])
    counts = np.bincount(grid_encoding.STEP_BIN[many[:, STEP]], minlength=grid_encoding.STEP_BINS)
    assert np.abs((counts - 4000 * chances) / np.sqrt(4000 * chances * (1 - chances) + 1)).max() < 4.5


def test_the_same_seed_plays_the_same(network):
    once, again, other = (
        sampler.generate_continuations(network, [NOTHING, random_fields(1, 9)], 70, seed) for seed in (1, 1, 2)
    )
    assert all((a == b).all() for a, b in zip(once, again, strict=True))
    more = sampler.generate_continuations(network, [NOTHING, random_fields(1, 9), NOTHING], 70, 1)
    assert all((a == b).mean() > 0.9 for a, b in zip(once, more[:2], strict=True))  # sums may be added in other order
    assert not (once[0] == other[0]).all()


def test_what_is_played_is_playable_and_in_order(network):
    for fields in sampler.generate_continuations(network, [NOTHING] * 16, 200, seed=3):
        assert (
            fields.min() >= 0
            and (fields < [grid_encoding.STEP_FRAMES, 88, grid_encoding.DURATION_FRAMES + 1, 32]).all()
        )
        assert fields[:, DURATION].min() >= 1
        chord = fields[1:, STEP] == 0
        assert (fields[1:, PITCH] > fields[:-1, PITCH])[chord].all()
        decoded = grid_encoding.decode(fields)
        assert (grid_encoding.encode(decoded)[1:] == fields[1:]).all()


def test_low_temperature_and_small_top_p_play_the_likeliest(network):
    cold = sampler.generate_continuations(network, [NOTHING] * 50, 1, 1, sampler.SamplingConfig(temperature=0.05))
    assert len({int(notes[0, VELOCITY]) for notes in cold}) < len(
        {int(notes[0, VELOCITY]) for notes in sampler.generate_continuations(network, [NOTHING] * 50, 1, 1)}
    )
    # Only the velocity is cold here.
    mixed = sampler.generate_continuations(
        network, [NOTHING] * 50, 1, 1, sampler.SamplingConfig(temperature=(1.0, 1.0, 1.0, 0.05))
    )
    warm = sampler.generate_continuations(network, [NOTHING] * 50, 1, 1)
    assert all((one[0, :3] == other[0, :3]).all() for one, other in zip(mixed, warm, strict=True))
    assert len({int(notes[0, VELOCITY]) for notes in mixed}) < len({int(notes[0, VELOCITY]) for notes in warm})
    narrow = sampler.generate_continuations(network, [NOTHING] * 50, 1, 1, sampler.SamplingConfig(top_p=0.001))
    assert len({int(grid_encoding.STEP_BIN[notes[0, STEP]]) for notes in narrow}) == 1


@pytest.mark.parametrize(
    "probabilities, temperature, top_p, min_p, expected",
    [
        ([0.5, 0.3, 0.2], 1.0, 0.8, 0.0, [5 / 8, 3 / 8, 0]),
        ([0.1, 0.0, 0.9], 1.0, 1.0, 0.0, [0.1, 0, 0.9]),
        ([0.5, 0.3, 0.2], 1.0, 1.0, 0.5, [5 / 8, 3 / 8, 0]),
        ([0.5, 0.3, 0.2], 1.0, 0.6, 0.5, [5 / 8, 3 / 8, 0]),
        ([0.5, 0.3, 0.2], 0.5, 1.0, 0.0, [25 / 38, 9 / 38, 4 / 38]),
        ([0.5, 0.3, 0.2], 0.5, 1.0, 0.2, [25 / 34, 9 / 34, 0]),
        ([0.0, 1e-6, 1e-5], 0.05, 1.0, 0.0, [0, 0, 1]),  # all that is possible is unlikely
    ],
)
def test_choices_are_tempered_then_cut_to_the_likeliest(probabilities, temperature, top_p, min_p, expected):
    uniform = np.linspace(0, 1, 10_001, dtype=np.float32)
    many = np.tile(np.float32(probabilities), (len(uniform), 1))
    drawn = np.asarray(sampler._draw(many, uniform, temperature, top_p, min_p))
    assert np.bincount(drawn, minlength=3) / len(uniform) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("lead, end", [(0, 300), (40, 300), (250, 260), (1500, 1600)])
def test_fillings_keep_to_their_room(network, lead, end):
    fields = random_fields(8, 60)
    filled = sampler.generate_infills(
        network, [fields[:20]] * 9, [fields[28:]] * 9, 12, [end + 20] * 9, 1, leads=[lead] * 9, ends=[end] * 9
    )
    assert any(len(notes) == 12 for notes in filled)
    for notes in filled:
        onset = np.cumsum(notes[:, STEP])
        assert onset[0] >= lead and onset[-1] < end
        chord = notes[1:, STEP] == 0
        assert (notes[1:, PITCH] > notes[:-1, PITCH])[chord].all()


def test_fillings_are_drawn_from_what_the_network_says_with_the_future_in_sight(network):
    """As evaluation has it: the same context for each note of a gap, with one note fewer between each time."""
    fields, gap = random_fields(8, 60), 6
    past, future, room = fields[:20], fields[26:], int(fields[20:27, STEP].sum())
    filled = sampler.generate_infills(network, [past] * 1000, [future] * 1000, gap, [room] * 1000, 1)
    steps = np.array([notes[0, STEP] for notes in filled])
    rows = np.concatenate([batching.padding_rows((1,)), batching.note_rows(fields)])[None]
    ahead = network.ahead(rows, network.future(rows), np.array([gap]), 21)
    assert ahead.room[0, 20] == room
    context = network.context(network.past(rows[:, :21], None)[0], rows[:, :21], ahead)
    chances = np.exp(np.asarray(network.step(context)))[0, 20]
    chances *= [np.mean([cell < room for cell in range(*edges)]) for edges in pairwise(grid_encoding.STEP_EDGES)]
    chances /= chances.sum()
    counts = np.bincount(grid_encoding.STEP_BIN[steps], minlength=grid_encoding.STEP_BINS)
    assert np.abs((counts - 1000 * chances) / np.sqrt(1000 * chances * (1 - chances) + 1)).max() < 4.5


def test_a_gap_of_more_notes_than_the_network_can_be_told_is_filled_too(network):
    fields = random_fields(8, 60)
    notes = sampler.generate_infills(network, [fields[:20]], [fields[30:]], 25, [900], seed=1)[0]
    assert notes.shape == (25, 4) and notes[:, STEP].sum() < 900


def test_playing_for_a_time_gives_the_notes_that_begin_in_it(network):
    prompts = [NOTHING, random_fields(1, 9)]
    long = sampler.generate_continuations(network, prompts, 200, seed=2)
    timed = sampler.generate_continuations(network, prompts, 10_000, seed=2, cells=500)
    for notes, expected in zip(timed, long, strict=True):
        onset = np.cumsum(expected[:, STEP])
        assert onset[-1] >= 500  # or this would show nothing
        assert (notes == expected[onset < 500]).all()


def test_fillings_depend_on_the_future(network):
    fields = random_fields(8, 60)
    one, other = (
        sampler.generate_infills(network, [fields[:20]], [fields[at:]], 6, [300], seed=1)[0] for at in (30, 45)
    )
    assert not (one == other).all()


def test_no_streams_play_nothing(network):
    assert sampler.generate_continuations(network, [], 10, seed=1) == []
    assert sampler.generate_infills(network, [], [], 10, [], seed=1) == []
    assert sampler.revise(network, [], [], 2, seed=1) == []


def test_revising_draws_every_region_between_what_is_and_what_was(network):
    """A pass keeps the number of notes and where the regions end, and is repeatable; none leaves all as it was."""
    prompts = [NOTHING, random_fields(1, 9)]
    played = sampler.generate_continuations(network, prompts, 70, seed=2)
    same = sampler.revise(network, prompts, played, 0, seed=1)
    assert all((a == b).all() for a, b in zip(same, played, strict=True))
    once, again, twice = (sampler.revise(network, prompts, played, passes, seed=1) for passes in (1, 1, 2))
    for before, one, same, two in zip(played, once, again, twice, strict=True):
        assert one.shape == before.shape and (one == same).all() and not (one == two).all()
        left = sampler._to_region_end(before, 0)
        ends = np.flatnonzero(left == 1) + 1
        assert len(ends) >= 3 and (before[ends, STEP] > 0).all()
        # Up to where a region ended all its notes have been played anew: fewer cells than before, none of them later.
        assert (np.cumsum(one[:, STEP])[ends - 1] < np.cumsum(before[:, STEP])[ends]).all()
        assert (one[:, PITCH] != before[:, PITCH]).mean() > 0.5
        chord = one[1:, STEP] == 0
        assert (one[1:, PITCH] > one[:-1, PITCH])[chord].all()
