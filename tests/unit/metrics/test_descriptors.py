"""Descriptors of an excerpt: by hand and against counting."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.metrics import descriptors

pitch_arrays = st.lists(st.integers(60, 63), max_size=24).map(np.array)


def test_repeated_note_rate():
    assert descriptors.repeated_note_rate(np.array([60, 60, 62, 62, 62])) == 0.75
    assert descriptors.repeated_note_rate(np.array([60])) == descriptors.repeated_note_rate(np.array([])) == 0


def test_max_note_repeat():
    assert descriptors.max_note_repeat(np.array([60, 60, 62, 62, 62, 60])) == 3
    assert descriptors.max_note_repeat(np.array([60, 61])) == 1
    assert descriptors.max_note_repeat(np.array([], int)) == 0


@given(pitch_arrays)
def test_max_note_repeat_against_counting(pitch: np.ndarray):
    longest = run = 0
    for i, value in enumerate(pitch):
        run = run + 1 if i and value == pitch[i - 1] else 1
        longest = max(longest, run)
    assert descriptors.max_note_repeat(pitch) == longest


def test_repeated_ngram_rate():
    scale = np.arange(60, 68)
    assert descriptors.repeated_ngram_rate(scale) == 0
    # 9 sequences, of which the last repeats the first
    assert descriptors.repeated_ngram_rate(np.concatenate([scale, scale])) == pytest.approx(1 / 9)
    # a transposed repetition does not count
    assert descriptors.repeated_ngram_rate(np.concatenate([scale, scale + 12])) == 0
    assert descriptors.repeated_ngram_rate(np.full(17, 60)) == 0.9
    assert descriptors.repeated_ngram_rate(scale[:7]) == 0


def test_same_onset_rate():
    assert descriptors.same_onset_rate(np.array([0, 0, 0, 1, 5])) == 0.5
    assert descriptors.same_onset_rate(np.array([3])) == 0


def test_max_onset_cluster():
    assert descriptors.max_onset_cluster(np.array([0, 10, 12, 14, 15, 30, 40, 50])) == 3 / 8  # 10, 12, 14; 12, 14, 15
    assert descriptors.max_onset_cluster(np.array([0, 0, 0, 4])) == 1
    assert descriptors.max_onset_cluster(np.array([], int)) == 0


@given(st.lists(st.integers(0, 40), min_size=1, max_size=30).map(sorted).map(np.array))
def test_max_onset_cluster_against_counting(onset_frame: np.ndarray):
    most = max(((onset_frame >= begin) & (onset_frame < begin + 5)).sum() for begin in range(41))
    assert descriptors.max_onset_cluster(onset_frame) == most / len(onset_frame)


def test_steps_that_collapse_to_zero_show():
    onset_frame = np.cumsum(np.r_[np.zeros(376, int), np.full(24, 30)])  # 375 of 400 steps are 0
    assert descriptors.same_onset_rate(onset_frame) == pytest.approx(375 / 399)
    assert descriptors.max_onset_cluster(onset_frame) == 376 / 400


def test_velocity_std():
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
