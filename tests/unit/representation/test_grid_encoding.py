"""The grid: what goes in comes out, to the cell, and every cell has one bin."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.model import history
from stages.representation import grid_encoding
from stages.representation.grid_encoding import DURATION, PITCH, STEP, VELOCITY
from stages.training import augmentation
from tests.helpers.numpy_model import Seen, random_fields

NOTES = st.lists(
    st.tuples(st.integers(0, 800), st.integers(1, 2999), st.integers(21, 108), st.integers(1, 127)),
    min_size=1,
    max_size=40,
)


def table(notes):
    """A note table from (cells since the one before, cells of sound, pitch, velocity), on the grid."""
    onset = np.cumsum([note[0] for note in notes]) * 0.01
    frame = pd.DataFrame({"start": onset, "sustained": [np.float32(note[1] * 0.01) for note in notes]})
    frame["duration"] = frame["sustained"] / 2
    frame["pitch"] = np.array([note[2] for note in notes], np.uint8)
    frame["velocity"] = np.array([note[3] for note in notes], np.uint8)
    return frame.sort_values(["start", "pitch"], kind="stable", ignore_index=True)


@given(NOTES)
def test_decoding_gives_back_what_was_on_the_grid(notes):
    frame = table(notes)
    back = grid_encoding.decode(grid_encoding.encode(frame), start=float(frame["start"][0]))
    np.testing.assert_allclose(back["start"], frame["start"], atol=1e-9)
    np.testing.assert_allclose(back["sustained"], frame["sustained"], atol=1e-4)
    assert back["pitch"].tolist() == frame["pitch"].tolist()
    assert np.abs(back["velocity"].astype(int) - frame["velocity"].astype(int)).max() <= 2


@given(NOTES)
def test_encoding_what_was_decoded_changes_nothing(notes):
    fields = grid_encoding.encode(table(notes))
    assert (grid_encoding.encode(grid_encoding.decode(fields)) == fields).all()


def test_a_hand_made_example():
    frame = pd.DataFrame(
        {
            "start": [1.004, 1.0051, 1.096, 20.0],
            "sustained": np.array([0.5, 0.4989, 0.001, 99.0], np.float32),
            "pitch": [64, 60, 110, 20],
            "velocity": [1, 64, 127, 3],
        }
    )
    # 1.004 and 1.0051 fall on cells 100 and 101; 110 is beyond the keyboard and goes down an octave, 20 up one.
    assert grid_encoding.encode(frame).tolist() == [
        [0, 43, 50, 0],
        [1, 39, 49, 16],
        [9, 77, 1, 31],
        [1000, 11, 3000, 0],
    ]


def test_errors_do_not_add_up():
    start = np.arange(1000) * 0.0149
    frame = pd.DataFrame({"start": start, "sustained": 0.1, "pitch": 60, "velocity": 64})
    onset = np.cumsum(grid_encoding.encode(frame)[:, STEP]) * grid_encoding.FRAME_SECONDS
    assert np.abs(onset - start).max() <= grid_encoding.FRAME_SECONDS / 2 + 1e-9


def test_within_a_cell_notes_come_in_order_of_pitch():
    frame = pd.DataFrame({"start": [0.001, 0.002, 0.003], "sustained": 0.1, "pitch": [70, 60, 65], "velocity": 64})
    assert grid_encoding.encode(frame)[:, PITCH].tolist() == [39, 44, 49]


@pytest.mark.parametrize(
    "bins, widths, edges, first",
    [
        (grid_encoding.STEP_BIN, grid_encoding.STEP_WIDTHS, grid_encoding.STEP_EDGES, 0),
        (grid_encoding.DURATION_BIN[1:], grid_encoding.DURATION_WIDTHS, grid_encoding.DURATION_EDGES, 1),
    ],
)
def test_every_cell_has_its_bin_and_widths_count_the_cells(bins, widths, edges, first):
    assert (np.bincount(bins) == widths).all()
    assert (np.diff(bins) >= 0).all()
    for cell, place in enumerate(bins, start=first):
        assert edges[place] <= cell < edges[place + 1]


@pytest.mark.parametrize("repeated", [False, True])
def test_what_is_told_of_the_past_against_a_loop(repeated):
    fields = random_fields(4, 120)
    if repeated:  # few keys and long pauses: keys struck again while they sound, and long after
        fields[:, PITCH] = np.sort(fields[:, PITCH] % 3 * 40)[::-1]
        fields[::30, STEP] = 900
        fields[10, DURATION] = 3000
    seen = [Seen(fields, t) for t in range(len(fields))]
    assert history.remaining_frames(fields).tolist() == [note.remaining for note in seen]
    assert history.elapsed_frames(fields).tolist() == [note.elapsed for note in seen]
    expected = np.array([note.keys for note in seen]).transpose(0, 2, 1)
    assert (history.keyboard_state(fields) == expected).all()
    assert (expected[0] == history.UNPLAYED_KEYS).all()


@pytest.mark.parametrize("told", [history.remaining_frames, history.elapsed_frames, history.keyboard_state])
def test_there_is_nothing_to_tell_of_no_notes(told):
    assert len(told(np.zeros((0, 4), np.int32))) == 0


@given(NOTES, st.integers(0, 12))
def test_transpositions_keep_every_note_on_the_keyboard(notes, most):
    fields = grid_encoding.encode(table(notes))
    low, high = augmentation.transposition_range(fields, most)
    assert -most <= low <= 0 <= high <= most
    for semitones in (low, high):
        moved = augmentation.transpose(fields, semitones)
        assert moved[:, PITCH].min() >= 0 and moved[:, PITCH].max() < grid_encoding.NUM_KEYS
        assert (moved[:, [STEP, DURATION, VELOCITY]] == fields[:, [STEP, DURATION, VELOCITY]]).all()
    for semitones in (low - 1, high + 1):
        if abs(semitones) <= most:
            moved = fields[:, PITCH] + semitones
            assert moved.min() < 0 or moved.max() >= grid_encoding.NUM_KEYS


def test_stretching_multiplies_times():
    frame = table([(100, 50, 60, 64), (100, 200, 62, 64)])
    fields = grid_encoding.encode(frame, 1.1)
    assert fields[:, STEP].tolist() == [0, 110]
    assert fields[:, DURATION].tolist() == [55, 220]
