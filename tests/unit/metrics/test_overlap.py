"""Overlap measures: by hand and against their definitions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.metrics import overlap


def test_histogram_overlap_by_hand():
    assert overlap.histogram_overlap(np.array([0.5, 0.5, 0]), np.array([0.25, 0.25, 0.5])) == 0.5
    assert overlap.histogram_overlap(np.array([1, 0]), np.array([0, 1])) == 0


def kernel_density(points: list[float], place: float) -> float:
    """Return the Gaussian kernel density estimate of points, with Scott's bandwidth, at a place."""
    mean = sum(points) / len(points)
    bandwidth = math.sqrt(sum((point - mean) ** 2 for point in points) / (len(points) - 1)) * len(points) ** -0.2
    scale = bandwidth * math.sqrt(2 * math.pi)
    kernels = (math.exp(-0.5 * ((place - point) / bandwidth) ** 2) / scale for point in points)
    return sum(kernels) / len(points)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(3, 6), st.integers(2, 5))
def test_overlapped_area_against_its_definition(seed: int, size: int, others: int):
    random = np.random.default_rng(seed)
    reference, other = random.random((size, 3)), random.random((others, 3)) + random.random()
    within = [math.dist(a, b) for i, a in enumerate(reference) for b in reference[:i]]
    between = [math.dist(a, b) for a in reference for b in other]
    places = np.linspace(-3, 6, 4001)
    lower = [min(kernel_density(within, place), kernel_density(between, place)) for place in places]
    assert overlap.overlapped_area(reference, other) == pytest.approx(np.trapezoid(lower, places), abs=2e-3)


def test_overlapped_area_is_high_for_similar_music_and_low_for_dissimilar_or_uniform_music():
    random = np.random.default_rng(0)
    reference = random.normal(size=(100, 8))
    similar = overlap.overlapped_area(reference, random.normal(size=(20, 8)))
    dissimilar = overlap.overlapped_area(reference, random.normal(size=(20, 8)) + 5)
    uniform = overlap.overlapped_area(reference, np.zeros((20, 8)))
    assert similar > 0.8
    assert dissimilar < 0.01
    assert uniform < 0.6


def test_overlapped_area_of_too_few_excerpts_and_of_equal_distances():
    one, two = np.zeros((1, 3)), np.array([[0, 0, 0], [1.0, 0, 0]])
    assert overlap.overlapped_area(one, two) is None
    assert overlap.overlapped_area(two, one[:0]) is None
    # All distances within the reference are equal: its density is a single point.
    assert overlap.overlapped_area(two, np.array([[0, 1.0, 0]])) == 0
    same = np.zeros((3, 3))
    assert overlap.overlapped_area(same, same) == 1
