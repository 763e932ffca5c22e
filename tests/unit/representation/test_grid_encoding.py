"""The grid: encoding and decoding are exact to the frame, and every frame is in one bin."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.representation import grid_encoding
from stages.representation.grid_encoding import DURATION, PITCH, STEP

ROWS = st.lists(
    st.tuples(st.integers(0, 800), st.integers(1, 2999), st.integers(21, 108), st.integers(1, 127)),
    min_size=1,
    max_size=40,
)


def table(rows):
    """Return a note table on the grid from (frames since the previous onset, frames of sound, pitch, velocity)."""
    onset = np.cumsum([row[0] for row in rows]) * 0.01
    notes = pd.DataFrame({"start": onset, "sounding_duration": [np.float32(row[1] * 0.01) for row in rows]})
    notes["key_duration"] = notes["sounding_duration"] / 2
    notes["pitch"] = np.array([row[2] for row in rows], np.uint8)
    notes["velocity"] = np.array([row[3] for row in rows], np.uint8)
    return notes.sort_values(["start", "pitch"], kind="stable", ignore_index=True)


@given(ROWS)
def test_decoding_reverses_encoding(rows):
    notes = table(rows)
    decoded = grid_encoding.decode(grid_encoding.encode(notes), start=float(notes["start"][0]))
    np.testing.assert_allclose(decoded["start"], notes["start"], atol=1e-9)
    np.testing.assert_allclose(decoded["sounding_duration"], notes["sounding_duration"], atol=1e-4)
    assert decoded["pitch"].tolist() == notes["pitch"].tolist()
    assert np.abs(decoded["velocity"].astype(int) - notes["velocity"].astype(int)).max() <= 2


@given(ROWS)
def test_encoding_reverses_decoding(rows):
    fields = grid_encoding.encode(table(rows))
    assert (grid_encoding.encode(grid_encoding.decode(fields)) == fields).all()


def test_known_values():
    notes = pd.DataFrame(
        {
            "start": [1.004, 1.0051, 1.096, 20.0],
            "sounding_duration": np.array([0.5, 0.4989, 0.001, 99.0], np.float32),
            "pitch": [64, 60, 110, 20],
            "velocity": [1, 64, 127, 3],
        }
    )
    # 1.004 and 1.0051 are in frames 100 and 101; 110 is above the keyboard and moves down an octave, 20 up one.
    assert grid_encoding.encode(notes).tolist() == [
        [0, 43, 50, 0],
        [1, 39, 49, 16],
        [9, 77, 1, 31],
        [1000, 11, 3000, 0],
    ]


def test_rounding_errors_do_not_add_up():
    start = np.arange(1000) * 0.0149
    notes = pd.DataFrame({"start": start, "sounding_duration": 0.1, "pitch": 60, "velocity": 64})
    onset = np.cumsum(grid_encoding.encode(notes)[:, STEP]) * grid_encoding.FRAME_SECONDS
    assert np.abs(onset - start).max() <= grid_encoding.FRAME_SECONDS / 2 + 1e-9


def test_notes_in_one_frame_are_sorted_by_pitch():
    notes = pd.DataFrame({"start": [0.001, 0.002, 0.003], "pitch": [70, 60, 65]})
    notes = notes.assign(sounding_duration=0.1, velocity=64)
    assert grid_encoding.encode(notes)[:, PITCH].tolist() == [39, 44, 49]


@pytest.mark.parametrize(
    "bins, widths, edges, first",
    [
        (grid_encoding.STEP_BIN, grid_encoding.STEP_WIDTHS, grid_encoding.STEP_EDGES, 0),
        (grid_encoding.DURATION_BIN[1:], grid_encoding.DURATION_WIDTHS, grid_encoding.DURATION_EDGES, 1),
    ],
)
def test_every_frame_is_in_one_bin_and_widths_count_frames(bins, widths, edges, first):
    assert (np.bincount(bins) == widths).all()
    assert (np.diff(bins) >= 0).all()
    for frame, bin_index in enumerate(bins, start=first):
        assert edges[bin_index] <= frame < edges[bin_index + 1]


def test_time_stretch_multiplies_times():
    notes = table([(100, 50, 60, 64), (100, 200, 62, 64)])
    fields = grid_encoding.encode(notes, time_stretch=1.1)
    assert fields[:, STEP].tolist() == [0, 110]
    assert fields[:, DURATION].tolist() == [55, 220]


def test_padding_rows_have_a_duration_bin():
    assert grid_encoding.DURATION_BIN[0] == grid_encoding.DURATION_BIN[1] == 0
