"""The measures, by hand and against slow and obvious references."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.metrics import descriptors, excerpts, note_features, overlap
from stages.metrics.note_features import FEATURES
from tests.helpers.numpy_model import note_table

pitches = st.lists(st.integers(60, 63), max_size=24).map(np.array)


notes = st.lists(
    st.tuples(
        st.integers(0, 2), st.integers(0, 400).map(lambda ms: ms / 100), st.integers(1, 300).map(lambda ms: ms / 100),
        st.integers(21, 108), st.integers(1, 127),
    ),
    max_size=40,
    unique_by=lambda note: (note[0], note[1], note[3]),
).map(note_table)  # fmt: skip


def test_describe_by_hand():
    music = note_features.add_features(
        note_table(
            [
                (0, 0.001, 1.0, 60, 10),  # rounds to cell 0, after which 48 comes first: it is lower
                (0, 0.004, 2.0, 48, 20),
                (0, 0.5, 0.1, 64, 30),
                (0, 1.004, 0.001, 60, 40),  # cell 100: the first note has just ended; shorter than a cell
                (1, 0.0, 1.0, 50, 50),
            ]
        ).assign(extra=[True, False, True, False, True])
    )
    expected = {
        "piece": [0, 0, 0, 0, 1],
        "cell": [0, 0, 50, 100, 0],
        "pitch": [48, 60, 64, 60, 50],
        "pitch_class": [0, 0, 4, 0, 2],
        "duration": [200, 100, 10, 1, 100],
        "velocity": [20, 10, 30, 40, 50],
        "polyphony": [2, 2, 3, 2, 1],
        "notes_per_second": [2, 2, 3, 2, 1],
        "extra": [False, True, True, False, True],
    }
    for name, values in expected.items():
        assert music[name].tolist() == values, name
    assert music["interval"].tolist()[1:4] == [12, 4, -4]
    assert music["step"].tolist()[1:4] == [0, 50, 50]


@settings(deadline=None)
@given(notes)
def test_describe_against_counting(frame: pd.DataFrame):
    music = note_features.add_features(frame)
    assert len(music) == len(frame)
    for row in music.itertuples():
        piece = music[music["piece"] == row.piece]
        sounding = (piece["cell"] <= row.cell) & (piece["cell"] + piece["duration"] > row.cell)
        struck = (piece["cell"] <= row.cell) & (piece["cell"] > row.cell - 100)
        assert (row.polyphony, row.notes_per_second) == (sounding.sum(), struck.sum())


def test_first_notes_have_no_step_and_no_interval():
    music = note_features.add_features(note_table([(0, 0.0, 1, 60, 64), (1, 3.0, 1, 70, 64)]))
    shares = note_features.feature_histograms(music, np.array([0, 1]), 1)
    assert shares["step"].sum() == shares["interval"].sum() == 0
    assert shares["pitch"].sum() == 2


def test_windows():
    assert excerpts.excerpt_starts(np.array([0] * 7 + [1] * 2 + [4] * 3), 3).tolist() == [0, 3, 9]
    assert excerpts.excerpt_starts(np.array([0] * 8), 3).tolist() == [1, 4]
    assert excerpts.excerpt_starts(np.array([0, 0]), 0).tolist() == []
    assert excerpts.excerpt_starts(np.array([], int), 3).tolist() == []


@settings(deadline=None)
@given(st.lists(st.integers(1, 20), max_size=6), st.integers(1, 8))
def test_windows_lie_in_their_pieces_and_apart(sizes: list[int], length: int):
    piece = np.repeat(np.arange(len(sizes)), sizes)
    starts = excerpts.excerpt_starts(piece, length)
    assert len(starts) == sum(size // length for size in sizes)
    assert all(len(set(piece[start : start + length])) == 1 and start + length <= len(piece) for start in starts)
    assert (np.diff(starts) >= length).all()


def test_edges_rise():
    for edges in FEATURES.values():
        assert edges.dtype.kind == "i"
        assert (np.diff(edges) > 0).all()
    assert FEATURES["step"].tolist()[:8] == [0, 1, 2, 3, 4, 6, 8, 12]
    assert FEATURES["duration"].tolist()[-2:] == [2048, 3001]


def test_histograms_by_hand():
    music = note_features.add_features(
        note_table([(0, i * 0.02, 0.05, pitch, 64) for i, pitch in enumerate([20, 60, 60, 110])])
    )
    shares = note_features.feature_histograms(music, np.array([0, 2]), 2)
    assert shares["pitch"][0, [0, 39]].tolist() == [0.5, 0.5]  # below the keyboard: in the lowest bin
    assert shares["pitch"][1, [39, 87]].tolist() == [0.5, 0.5]
    assert shares["step"][:, 2].tolist() == [1, 1]
    assert shares["velocity"][:, 16].tolist() == [1, 1]


@settings(deadline=None)
@given(notes, st.integers(1, 5))
def test_histograms_are_shares_of_what_numpy_counts(frame: pd.DataFrame, length: int):
    music = note_features.add_features(frame)
    starts = excerpts.excerpt_starts(music["piece"].to_numpy(), length)
    for name, shares in note_features.feature_histograms(music, starts, length).items():
        assert shares.shape == (len(starts), len(FEATURES[name]) - 1)
        for start, row in zip(starts, shares, strict=True):
            values = music[name].iloc[start : start + length].to_numpy(float)
            values = values[values > -1e9]
            counts = np.histogram(np.clip(values, FEATURES[name][0], FEATURES[name][-1] - 1), FEATURES[name])[0]
            assert row == pytest.approx(counts / max(len(values), 1))


def test_distributions():
    music = note_features.add_features(note_table([(0, 0, 0.3, 60, 1), (0, 0.1, 0.3, 60, 5), (0, 0.1, 50, 61, 127)]))
    rows = note_features.feature_distributions({"generated": music, "test": music[:0], "validation": music})
    assert list(rows.columns) == ["feature", "source", "low", "high", "share"]
    assert rows["feature"].unique().tolist() == ["pitch", "step", "duration", "velocity"]
    assert rows["source"].unique().tolist() == ["generated", "validation"]
    for _, part in rows.groupby(["feature", "source"]):
        assert part["share"].sum() == pytest.approx(1)
        assert (part["low"].to_numpy()[1:] == part["high"].to_numpy()[:-1]).all()
    generated = rows[rows["source"] == "generated"]
    pitch = generated[(generated["feature"] == "pitch") & (generated["share"] > 0)]
    assert pitch["low"].tolist() == [59.5, 60.5]
    assert pitch["share"].tolist() == pytest.approx([2 / 3, 1 / 3])
    step = generated[(generated["feature"] == "step") & (generated["share"] > 0)]
    assert step[["low", "high", "share"]].to_numpy() == pytest.approx(np.array([[0, 0.005, 0.5], [0.075, 0.115, 0.5]]))
    duration = generated[generated["feature"] == "duration"]
    assert duration["low"].iloc[0] == pytest.approx(0.005)
    assert duration["share"].iloc[-1] == pytest.approx(1 / 3)


def test_distributions_of_nothing():
    empty = note_features.add_features(note_table([]))
    rows = note_features.feature_distributions({"generated": empty})
    assert rows.empty
    assert list(rows.columns) == ["feature", "source", "low", "high", "share"]


def test_histogram_overlap_by_hand():
    assert overlap.histogram_overlap(np.array([0.5, 0.5, 0]), np.array([0.25, 0.25, 0.5])) == 0.5
    assert overlap.histogram_overlap(np.array([1, 0]), np.array([0, 1])) == 0


def kernel_estimate(points: list[float], place: float) -> float:
    mean = sum(points) / len(points)
    width = math.sqrt(sum((p - mean) ** 2 for p in points) / (len(points) - 1)) * len(points) ** -0.2
    bells = (math.exp(-0.5 * ((place - p) / width) ** 2) / (width * math.sqrt(2 * math.pi)) for p in points)
    return sum(bells) / len(points)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 6), st.integers(2, 5))
def test_overlapped_area_against_its_definition(seed: int, size: int, others: int):
    random = np.random.default_rng(seed)
    reference, other = random.random((size, 3)), random.random((others, 3)) + random.random()
    within = [math.dist(a, b) for i, a in enumerate(reference) for b in reference[:i]]
    between = [math.dist(a, b) for a in reference for b in other]
    places = np.linspace(-3, 6, 4001)
    lower = [min(kernel_estimate(within, place), kernel_estimate(between, place)) for place in places]
    assert overlap.overlapped_area(reference, other) == pytest.approx(np.trapezoid(lower, places), abs=2e-3)


def test_overlapped_area_tells_kin_from_foreign_and_from_uniform():
    random = np.random.default_rng(0)
    reference = random.normal(size=(100, 8))
    kin = overlap.overlapped_area(reference, random.normal(size=(20, 8)))
    foreign = overlap.overlapped_area(reference, random.normal(size=(20, 8)) + 5)
    uniform = overlap.overlapped_area(reference, np.zeros((20, 8)))
    assert kin > 0.8
    assert foreign < 0.01
    assert uniform < 0.6


def test_overlapped_area_of_little():
    one, two = np.zeros((1, 3)), np.array([[0, 0, 0], [1.0, 0, 0]])
    assert overlap.overlapped_area(one, two) is None
    assert overlap.overlapped_area(two, one[:0]) is None
    # A single distance within the reference is a point.
    assert overlap.overlapped_area(two, np.array([[0, 1.0, 0]])) == 0
    same = np.zeros((3, 3))
    assert overlap.overlapped_area(same, same) == 1


def test_repeated_notes():
    assert descriptors.repeated_note_rate(np.array([60, 60, 62, 62, 62])) == 0.75
    assert descriptors.repeated_note_rate(np.array([60])) == descriptors.repeated_note_rate(np.array([])) == 0


def test_longest_repeat():
    assert descriptors.max_note_repeat(np.array([60, 60, 62, 62, 62, 60])) == 3
    assert descriptors.max_note_repeat(np.array([60, 61])) == 1
    assert descriptors.max_note_repeat(np.array([], int)) == 0


@settings(deadline=None)
@given(pitches)
def test_longest_repeat_against_counting(pitch: np.ndarray):
    longest = run = 0
    for i, value in enumerate(pitch):
        run = run + 1 if i and value == pitch[i - 1] else 1
        longest = max(longest, run)
    assert descriptors.max_note_repeat(pitch) == longest


def test_repeated_phrases():
    scale = np.arange(60, 68)
    assert descriptors.repeated_ngram_rate(scale) == 0
    # 9 phrases, of which the last says the first again
    assert descriptors.repeated_ngram_rate(np.concatenate([scale, scale])) == pytest.approx(1 / 9)
    # not an octave higher
    assert descriptors.repeated_ngram_rate(np.concatenate([scale, scale + 12])) == 0
    assert descriptors.repeated_ngram_rate(np.full(17, 60)) == 0.9
    assert descriptors.repeated_ngram_rate(scale[:7]) == 0


def test_struck_together():
    assert descriptors.same_onset_rate(np.array([0, 0, 0, 1, 5])) == 0.5
    assert descriptors.same_onset_rate(np.array([3])) == 0


def test_largest_instant():
    assert descriptors.max_onset_cluster(np.array([0, 10, 12, 14, 15, 30, 40, 50])) == 3 / 8  # 10, 12, 14; 12, 14, 15
    assert descriptors.max_onset_cluster(np.array([0, 0, 0, 4])) == 1
    assert descriptors.max_onset_cluster(np.array([], int)) == 0


@settings(deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=30).map(sorted).map(np.array))
def test_largest_instant_against_counting(cell: np.ndarray):
    most = max(((cell >= begin) & (cell < begin + 5)).sum() for begin in range(41))
    assert descriptors.max_onset_cluster(cell) == most / len(cell)


def test_the_collapse_of_the_notebook_shows():
    cell = np.cumsum(np.r_[np.zeros(376, int), np.full(24, 30)])  # 375 of 400 steps are 0
    assert descriptors.same_onset_rate(cell) == pytest.approx(375 / 399)
    assert descriptors.max_onset_cluster(cell) == 376 / 400


def test_velocity_spread():
    assert descriptors.velocity_std(np.array([60, 70, 60, 70])) == 5
    assert descriptors.velocity_std(np.array([], int)) == 0


def test_tempo_drift():
    assert descriptors.tempo_drift(np.arange(8) * 10) == 0
    assert descriptors.tempo_drift(np.array([0, 10, 20, 30, 50, 70])) == 1
    assert descriptors.tempo_drift(np.array([0, 10, 99, 100, 130])) == pytest.approx(math.log2(3))
    slower = np.concatenate([np.arange(100) * 10, 1000 + np.arange(100) * 20])
    assert descriptors.tempo_drift(slower) == 1
    assert descriptors.tempo_drift(slower) == descriptors.tempo_drift((slower[-1] - slower)[::-1])
    assert descriptors.tempo_drift(np.zeros(4, int)) == descriptors.tempo_drift(np.array([5])) == 0
