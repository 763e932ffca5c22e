"""Excerpts, their groups and ceilings, on music made by hand and at random."""

import numpy as np
import pandas as pd
import pytest

from stages.metrics import comparison, note_features


def music(pieces: int, notes: int, seed: int, transpose: int = 0) -> pd.DataFrame:
    """Described pieces of random notes, their number of notes, loudness and speed drawn anew for each piece."""
    random = np.random.default_rng(seed)
    parts = []
    for piece in range(pieces):
        start = np.cumsum(random.exponential(random.uniform(0.05, 0.2), notes).round(2) + 0.01)
        pitch = random.normal(random.uniform(55, 70), 10, notes).clip(21, 90) + transpose
        velocity = random.normal(random.uniform(50, 80), 10, notes).clip(1, 127)
        sustained = random.exponential(0.5, notes).astype("float32") + 0.02
        part = {"piece": piece, "start": start, "sustained": sustained, "pitch": pitch.astype("uint8")}
        parts.append(pd.DataFrame(part | {"velocity": velocity.astype("uint8"), "step": 0, "duration": sustained}))
    return note_features.add_features(pd.concat(parts, ignore_index=True))


NOTHING = music(1, 4, 0)[:0]


@pytest.mark.parametrize(
    ("generated", "real", "length"),
    [
        ([600, 600], [700, 5000, 9000], 600),
        ([600, 640], [100, 300, 9000], 300),
        ([600, 24], [9000], 24),
        ([600], [], 600),
        ([], [9000], 0),
    ],
)
def test_excerpt_length(generated: list[int], real: list[int], length: int):
    assert comparison.excerpt_length(generated, real) == length


def test_cut_takes_all_or_an_even_choice():
    table = music(4, 25, 0)
    assert comparison.cut_excerpts(table, 10).starts.tolist() == [2, 12, 27, 37, 52, 62, 77, 87]
    assert comparison.cut_excerpts(table, 10, 4).starts.tolist() == [12, 37, 62, 87]
    assert len(comparison.cut_excerpts(table, 10, 9)) == 8
    assert len(comparison.cut_excerpts(NOTHING, 10)) == len(comparison.cut_excerpts(table, 0)) == 0


def test_groups_are_as_large_as_the_generated_set_and_share_no_excerpt():
    table = music(10, 100, 0)
    groups = list(comparison._groups(comparison.cut_excerpts(table, 10), 6))
    assert len(groups) == 16
    chosen = np.concatenate([group.starts for group in groups])
    assert len(set(chosen)) == len(chosen) == 96
    assert all(np.ptp(group.starts) > 800 for group in groups)
    assert [len(group) for group in comparison._groups(comparison.cut_excerpts(table, 50), 100)] == [20]
    assert not list(comparison._groups(comparison.cut_excerpts(table, 10), 0))
    assert not list(comparison._groups(comparison.cut_excerpts(NOTHING, 10), 3))


def test_overlaps_of_kin_reach_the_ceiling_and_of_foreign_music_do_not():
    test, validation = (comparison.cut_excerpts(music(30, 80, seed), 40) for seed in (1, 2))
    kin = comparison.overlaps(comparison.cut_excerpts(music(6, 40, 3), 40), validation, test)
    assert list(kin) == ["overlapped_area", "histogram_overlap"]
    for table in kin.values():
        assert list(table) == ["mean", *note_features.FEATURES]
        assert table["mean"]["generated"] == pytest.approx(table["mean"]["ceiling"], abs=0.1)
        for feature in note_features.FEATURES:
            assert 0.4 < table[feature]["generated"] <= 1
    foreign = comparison.overlaps(comparison.cut_excerpts(music(6, 40, 3, transpose=30), 40), validation, test)
    for name, table in foreign.items():
        assert table["pitch"]["generated"] < table["pitch"]["ceiling"] / 2
        assert table["pitch"]["ceiling"] == kin[name]["pitch"]["ceiling"]
        assert table["step"] == kin[name]["step"]


def test_overlaps_mean():
    test, validation = (comparison.cut_excerpts(music(20, 40, seed), 40) for seed in (1, 2))
    for table in comparison.overlaps(comparison.cut_excerpts(music(4, 40, 3), 40), validation, test).values():
        for source in ("generated", "ceiling"):
            values = [table[feature][source] for feature in note_features.FEATURES]
            assert table["mean"][source] == pytest.approx(np.mean(values))


def test_histogram_overlap_with_itself_is_1():
    every = comparison.cut_excerpts(music(5, 40, 1), 40)
    pooled = comparison.overlaps(every, every, every)["histogram_overlap"]
    assert all(value["generated"] == pytest.approx(1) for value in pooled.values())


def test_too_little_music_gives_none():
    some, none = comparison.cut_excerpts(music(5, 40, 1), 40), comparison.cut_excerpts(NOTHING, 40)
    for generated, validation, test in [(none, some, some), (some, none, some), (some, some, none), (none, none, none)]:
        report = comparison.overlaps(generated, validation, test)
        for table in report.values():
            for value in table.values():
                assert (value["generated"] is None) == (not len(generated) or not len(test))
                assert (value["ceiling"] is None) == (not len(generated) or not len(validation) or not len(test))
        habits = comparison.compare_descriptors(generated, test, [])
        copies = comparison.copied_runs(generated, test, [], [])
        for value in [*habits.values(), *copies.values()]:
            assert (value["generated"] is None) == (not len(generated))
            assert (value["test"] is None) == (not len(generated) or not len(test))


def line(pitches: list[int], velocities: list[int] | None = None) -> pd.DataFrame:
    start = np.arange(len(pitches)) * 0.1
    frame = pd.DataFrame({"piece": 0, "start": start, "sustained": 0.1, "step": 0, "duration": 0.1})
    return note_features.add_features(frame.assign(pitch=pitches, velocity=velocities or 64))


def test_habits_by_hand():
    played = comparison.cut_excerpts(line([60, 60, 62, 64, 65, 65, 65, 67], [50, 60, 50, 60, 80, 80, 80, 80]), 4)
    fillings = comparison.cut_excerpts(line([70, 70, 70]), 3)
    report = comparison.compare_descriptors(played, comparison.cut_excerpts(line([60, 62] * 8), 4), [fillings])
    assert report["repeated_notes"] == {"generated": pytest.approx((1 / 3 + 2 / 3) / 2), "test": 0}
    assert report["longest_repeat"] == {"generated": 3, "test": 1}
    assert report["struck_together"] == {"generated": 0, "test": 0}
    assert report["largest_instant"] == {"generated": 0.25, "test": 0.25}
    assert report["velocity_spread"] == {"generated": 2.5, "test": 0}
    assert report["tempo_drift"] == {"generated": 0, "test": 0}
    longer = comparison.compare_descriptors(played, played, [comparison.cut_excerpts(line([70] * 5), 5)])
    assert longer["longest_repeat"]["generated"] == 5
    assert longer["largest_instant"]["generated"] == 0.25


def test_copies_by_hand():
    random = np.random.default_rng(0)
    train = [random.integers(21, 100, 200)]
    played = comparison.cut_excerpts(line([*(train[0][50:60] + 5), 30, 90, 31, 89, 32, 88, 33, 87, 34, 86]), 10)
    fillings = comparison.cut_excerpts(line(train[0][:30].tolist()), 30)
    report = comparison.copied_runs(
        played, comparison.cut_excerpts(line([30, 100, 30, 100] * 10), 10), [fillings], train
    )
    assert report["longest"]["generated"] == 30
    assert 5.5 <= report["mean"]["generated"] <= 6.5
    assert report["longest"]["test"] <= 3
