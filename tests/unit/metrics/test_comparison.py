"""Excerpts, groups of real excerpts and the tables of a comparison, on music made by hand and at random."""

import numpy as np
import pandas as pd
import pytest

from stages.metrics import comparison, note_features
from stages.metrics.comparison import Excerpts, cut_excerpts


def random_music(pieces: int, notes: int, seed: int, transpose: int = 0) -> pd.DataFrame:
    """Return a feature table of random pieces; each piece has its own register, loudness and density."""
    random = np.random.default_rng(seed)
    tables = []
    for piece in range(pieces):
        start = np.cumsum(random.exponential(random.uniform(0.05, 0.2), notes).round(2) + 0.01)
        pitch = random.normal(random.uniform(55, 70), 10, notes).clip(21, 90) + transpose
        velocity = random.normal(random.uniform(50, 80), 10, notes).clip(1, 127)
        duration = random.exponential(0.5, notes).astype("float32") + 0.02
        columns = {"piece": piece, "start": start, "sounding_duration": duration, "pitch": pitch.astype("uint8")}
        columns |= {"velocity": velocity.astype("uint8"), "step": 0, "key_duration": duration}
        tables.append(pd.DataFrame(columns))
    return note_features.add_features(pd.concat(tables, ignore_index=True))


NO_MUSIC = random_music(1, 4, 0)[:0]


def overlap_values(generated: Excerpts, validation: Excerpts, test: Excerpts) -> pd.Series:
    """Return the values of `overlap_table` by measure, feature and music."""
    table = comparison.overlap_table(generated, validation, test)
    return table.set_index(["measure", "feature", "music"])["value"].sort_index()


def descriptor_values(table: pd.DataFrame) -> pd.Series:
    """Return the values of a table of descriptors by descriptor and music."""
    return table.set_index(["descriptor", "music"])["value"]


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


def test_cut_excerpts_gives_all_or_evenly_spaced_ones():
    table = random_music(4, 25, 0)
    assert cut_excerpts(table, 10).starts.tolist() == [2, 12, 27, 37, 52, 62, 77, 87]
    assert cut_excerpts(table, 10, 4).starts.tolist() == [12, 37, 62, 87]
    assert len(cut_excerpts(table, 10, 9)) == 8
    assert len(cut_excerpts(NO_MUSIC, 10)) == len(cut_excerpts(table, 0)) == 0


def test_groups_are_as_large_as_the_generated_set_and_share_no_excerpt():
    table = random_music(10, 100, 0)
    groups = comparison._groups(cut_excerpts(table, 10), 6)
    assert len(groups) == 16
    starts = np.concatenate([group.starts for group in groups])
    assert len(set(starts)) == len(starts) == 96
    assert all(np.ptp(group.starts) > 800 for group in groups)
    assert [len(group) for group in comparison._groups(cut_excerpts(table, 50), 100)] == [20]
    assert comparison._groups(cut_excerpts(table, 10), 0) == []
    assert comparison._groups(cut_excerpts(NO_MUSIC, 10), 3) == []


def test_overlap_table_has_a_row_for_each_measure_feature_and_music():
    excerpts = cut_excerpts(random_music(3, 40, 1), 40)
    table = comparison.overlap_table(excerpts, excerpts, excerpts)
    assert list(table.columns) == ["measure", "feature", "music", "value"]
    assert table[["measure", "feature", "music"]].to_numpy().tolist() == [
        [measure, feature, music]
        for measure in ("overlapped_area", "histogram_overlap")
        for feature in ("mean", *note_features.FEATURES)
        for music in ("generated", "validation")
    ]


def test_overlap_of_similar_music_is_that_of_real_music_and_of_dissimilar_music_is_not():
    test, validation = (cut_excerpts(random_music(30, 80, seed), 40) for seed in (1, 2))
    similar = overlap_values(cut_excerpts(random_music(6, 40, 3), 40), validation, test)
    dissimilar = overlap_values(cut_excerpts(random_music(6, 40, 3, transpose=30), 40), validation, test)
    for measure in ("overlapped_area", "histogram_overlap"):
        mean = similar[measure, "mean"]
        assert mean["generated"] == pytest.approx(mean["validation"], abs=0.1)
        for feature in note_features.FEATURES:
            assert 0.4 < similar[measure, feature, "generated"] <= 1
        assert dissimilar[measure, "pitch", "generated"] < dissimilar[measure, "pitch", "validation"] / 2
        assert dissimilar[measure, "pitch", "validation"] == similar[measure, "pitch", "validation"]
        assert dissimilar[measure, "step"].equals(similar[measure, "step"])


def test_mean_overlap_is_the_mean_over_features():
    test, validation = (cut_excerpts(random_music(20, 40, seed), 40) for seed in (1, 2))
    values = overlap_values(cut_excerpts(random_music(4, 40, 3), 40), validation, test)
    for measure in ("overlapped_area", "histogram_overlap"):
        for music in ("generated", "validation"):
            by_feature = [values[measure, feature, music] for feature in note_features.FEATURES]
            assert values[measure, "mean", music] == pytest.approx(np.mean(by_feature))


def test_histogram_overlap_with_itself_is_1():
    excerpts = cut_excerpts(random_music(5, 40, 1), 40)
    values = overlap_values(excerpts, excerpts, excerpts)["histogram_overlap"]
    assert values[:, "generated"].to_numpy() == pytest.approx(1)


def test_values_are_missing_where_there_is_too_little_music():
    some, none = cut_excerpts(random_music(5, 40, 1), 40), cut_excerpts(NO_MUSIC, 40)
    for generated, validation, test in [(none, some, some), (some, none, some), (some, some, none), (none, none, none)]:
        overlap = comparison.overlap_table(generated, validation, test)
        assert overlap["value"].dtype == np.float64
        missing = overlap["value"].isna().groupby(overlap["music"])
        assert (missing.all() == missing.any()).all()
        assert missing.all()["generated"] == (not len(generated) or not len(test))
        assert missing.all()["validation"] == (not len(generated) or not len(validation) or not len(test))
        for table in (
            comparison.descriptor_table(generated, test, []),
            comparison.copied_run_table(generated, test, [], []),
        ):
            assert table["value"].dtype == np.float64
            missing = table["value"].isna().groupby(table["music"])
            assert (missing.all() == missing.any()).all()
            assert missing.all()["generated"] == (not len(generated))
            assert missing.all()["test"] == (not len(generated) or not len(test))


def melody(pitches: list[int], velocities: list[int] | None = None) -> pd.DataFrame:
    """Return a feature table of one piece with a note every 0.1 s."""
    start = np.arange(len(pitches)) * 0.1
    table = pd.DataFrame({"piece": 0, "start": start, "sounding_duration": 0.1, "step": 0, "key_duration": 0.1})
    return note_features.add_features(table.assign(pitch=pitches, velocity=velocities or 64))


def test_thirds_distance_of_a_change_and_of_none():
    steady = melody([60, 62, 64] * 40)
    low_then_high = melody([*[40, 42] * 30, *[80, 82] * 30])
    middle = Excerpts(steady, np.array([30]), 63)
    assert comparison.thirds_distance(middle) == pytest.approx([0])
    change = comparison.thirds_distance(Excerpts(low_then_high, np.array([30]), 63))
    # Pitch has nothing in common. Pitch classes 4 and 6, 8 and 10 neither. Intervals, steps and so on are the same.
    assert change == pytest.approx([2 / 8])
    both = Excerpts(pd.concat([steady, low_then_high], ignore_index=True), np.array([30, 150]), 63)
    assert comparison.thirds_distance(both) == pytest.approx([0, 2 / 8])
    assert not len(comparison.thirds_distance(Excerpts(steady, np.array([30]), 2)))


def test_descriptor_table_by_hand():
    generated = cut_excerpts(melody([60, 60, 62, 64, 65, 65, 65, 67], [50, 60, 50, 60, 80, 80, 80, 80]), 4)
    test = cut_excerpts(melody([60, 62] * 8), 4)
    table = comparison.descriptor_table(generated, test, [cut_excerpts(melody([70, 70, 70]), 3)])
    distances = [comparison.thirds_distance(excerpts).mean() for excerpts in (generated, test)]
    assert table.to_dict("list") == {
        "descriptor": [name for name in [*comparison._DESCRIPTORS, "thirds_distance"] for _ in range(2)],
        "music": ["generated", "test"] * 8,
        "value": pytest.approx([(1 / 3 + 2 / 3) / 2, 0, 3, 1, 0, 0, 0, 0, 0.25, 0.25, 2.5, 0, 0, 0, *distances]),
    }
    assert list(comparison._DESCRIPTORS) == [
        "repeated_note_rate",
        "max_note_repeat",
        "repeated_ngram_rate",
        "same_onset_rate",
        "max_onset_cluster",
        "velocity_std",
        "tempo_drift",
    ]
    longer_infill = cut_excerpts(melody([70] * 5), 5)
    values = descriptor_values(comparison.descriptor_table(generated, generated, [longer_infill]))
    assert values["max_note_repeat", "generated"] == 5
    assert values["max_onset_cluster", "generated"] == 0.25


def test_copied_run_table_by_hand():
    random = np.random.default_rng(0)
    train = [random.integers(21, 100, 200)]
    generated = cut_excerpts(melody([*(train[0][50:60] + 5), 30, 90, 31, 89, 32, 88, 33, 87, 34, 86]), 10)
    infill = cut_excerpts(melody(train[0][:30].tolist()), 30)
    test = cut_excerpts(melody([30, 100, 30, 100] * 10), 10)
    table = comparison.copied_run_table(generated, test, [infill], train)
    assert table[["descriptor", "music"]].to_numpy().tolist() == [
        ["mean_copied_run", "generated"],
        ["mean_copied_run", "test"],
        ["max_copied_run", "generated"],
        ["max_copied_run", "test"],
    ]
    values = descriptor_values(table)
    assert values["max_copied_run", "generated"] == 30
    assert 5.5 <= values["mean_copied_run", "generated"] <= 6.5
    assert values["max_copied_run", "test"] <= 3
