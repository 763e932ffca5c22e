"""Features of notes, their histograms and distributions: by hand and against counting."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.metrics import note_features
from stages.metrics.excerpts import excerpt_starts
from stages.metrics.note_features import FEATURES
from tests.helpers.made_up_notes import note_table

note_tables = st.lists(
    st.tuples(
        st.integers(0, 2),  # piece
        st.integers(0, 400).map(lambda hundredths: hundredths / 100),  # start
        st.integers(1, 300).map(lambda hundredths: hundredths / 100),  # sounding duration
        st.integers(21, 108),  # pitch
        st.integers(1, 127),  # velocity
    ),
    max_size=40,
    unique_by=lambda note: (note[0], note[1], note[3]),
).map(note_table)


def test_features_by_hand():
    music = note_features.add_features(
        note_table(
            [
                (0, 0.001, 1.0, 60, 10),  # rounds to frame 0, in which 48 comes first: it is lower
                (0, 0.004, 2.0, 48, 20),
                (0, 0.5, 0.1, 64, 30),
                (0, 1.004, 0.001, 60, 40),  # frame 100: the first note has just ended; shorter than a frame
                (1, 0.0, 1.0, 50, 50),
            ]
        ).assign(extra=[True, False, True, False, True])
    )
    expected = {
        "piece": [0, 0, 0, 0, 1],
        "onset_frame": [0, 0, 50, 100, 0],
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


@given(note_tables)
def test_polyphony_and_density_against_counting(notes: pd.DataFrame):
    music = note_features.add_features(notes)
    assert len(music) == len(notes)
    for note in music.itertuples():
        piece = music[music["piece"] == note.piece]
        begun = piece["onset_frame"] <= note.onset_frame
        sounding = begun & (piece["onset_frame"] + piece["duration"] > note.onset_frame)
        recent = begun & (piece["onset_frame"] > note.onset_frame - 100)
        assert (note.polyphony, note.notes_per_second) == (sounding.sum(), recent.sum())


def test_first_notes_have_no_step_and_no_interval():
    music = note_features.add_features(note_table([(0, 0.0, 1, 60, 64), (1, 3.0, 1, 70, 64)]))
    histograms = note_features.feature_histograms(music, np.array([0, 1]), 1)
    assert histograms["step"].sum() == histograms["interval"].sum() == 0
    assert histograms["pitch"].sum() == 2


def test_bin_edges_are_ascending_integers():
    for edges in FEATURES.values():
        assert edges.dtype.kind == "i"
        assert (np.diff(edges) > 0).all()
    assert FEATURES["step"].tolist()[:8] == [0, 1, 2, 3, 4, 6, 8, 12]
    assert FEATURES["duration"].tolist()[-2:] == [2048, 3001]


def test_histograms_by_hand():
    music = note_features.add_features(
        note_table([(0, i * 0.02, 0.05, pitch, 64) for i, pitch in enumerate([20, 60, 60, 110])])
    )
    histograms = note_features.feature_histograms(music, np.array([0, 2]), 2)
    assert histograms["pitch"][0, [0, 39]].tolist() == [0.5, 0.5]  # below the keyboard: in the lowest bin
    assert histograms["pitch"][1, [39, 87]].tolist() == [0.5, 0.5]
    assert histograms["step"][:, 2].tolist() == [1, 1]
    assert histograms["velocity"][:, 16].tolist() == [1, 1]


@given(note_tables, st.integers(1, 5))
def test_histograms_equal_those_of_numpy(notes: pd.DataFrame, length: int):
    music = note_features.add_features(notes)
    starts = excerpt_starts(music["piece"].to_numpy(), length)
    for name, histograms in note_features.feature_histograms(music, starts, length).items():
        assert histograms.shape == (len(starts), len(FEATURES[name]) - 1)
        for start, histogram in zip(starts, histograms, strict=True):
            values = music[name].iloc[start : start + length].to_numpy(float)
            values = values[values > -1e9]
            counts = np.histogram(np.clip(values, FEATURES[name][0], FEATURES[name][-1] - 1), FEATURES[name])[0]
            assert histogram == pytest.approx(counts / max(len(values), 1))


def test_distributions_by_hand():
    music = note_features.add_features(note_table([(0, 0, 0.3, 60, 1), (0, 0.1, 0.3, 60, 5), (0, 0.1, 50, 61, 127)]))
    table = note_features.feature_distributions({"generated": music, "test": music[:0], "validation": music})
    assert list(table.columns) == ["feature", "music", "low", "high", "fraction"]
    assert table["feature"].unique().tolist() == ["pitch", "step", "duration", "velocity"]
    assert table["music"].unique().tolist() == ["generated", "validation"]
    for _, bins in table.groupby(["feature", "music"]):
        assert bins["fraction"].sum() == pytest.approx(1)
        assert (bins["low"].to_numpy()[1:] == bins["high"].to_numpy()[:-1]).all()
    generated = table[table["music"] == "generated"]
    pitch = generated[(generated["feature"] == "pitch") & (generated["fraction"] > 0)]
    assert pitch["low"].tolist() == [59.5, 60.5]
    assert pitch["fraction"].tolist() == pytest.approx([2 / 3, 1 / 3])
    step = generated[(generated["feature"] == "step") & (generated["fraction"] > 0)]
    bins = step[["low", "high", "fraction"]].to_numpy()
    assert bins == pytest.approx(np.array([[0, 0.005, 0.5], [0.075, 0.115, 0.5]]))
    duration = generated[generated["feature"] == "duration"]
    assert duration["low"].iloc[0] == pytest.approx(0.005)
    assert duration["fraction"].iloc[-1] == pytest.approx(1 / 3)


def test_distributions_of_no_music_have_the_columns_and_no_rows():
    table = note_features.feature_distributions({"generated": note_features.add_features(note_table([]))})
    assert table.empty
    assert list(table.columns) == ["feature", "music", "low", "high", "fraction"]
