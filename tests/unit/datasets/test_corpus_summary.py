"""Sizes and quantiles of a split, compared with numpy on all notes at once."""

import numpy as np
import pytest

from stages.datasets import corpus_summary
from stages.datasets.corpus_summary import FEATURE_RESOLUTION, QUANTILES, SplitSummary


def random_columns(seed: int, num_notes: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        "step": random.exponential(0.1, num_notes).astype(np.float32),
        "key_duration": random.exponential(0.5, num_notes).astype(np.float32),
        "sounding_duration": random.exponential(1.0, num_notes).astype(np.float32),
        "pitch": random.integers(0, 128, num_notes).astype(np.uint8),
        "velocity": random.integers(1, 128, num_notes).astype(np.uint8),
    }


@pytest.mark.parametrize("pending_notes", [1, 100, 10**6])
def test_quantiles_match_numpy_however_many_notes_are_counted_together(monkeypatch, pending_notes):
    monkeypatch.setattr(corpus_summary, "PENDING_NOTES", pending_notes)
    pieces = [random_columns(seed, num_notes) for seed, num_notes in enumerate([60, 1, 300, 7])]
    summary = SplitSummary()
    for number, piece in enumerate(pieces):
        summary.add(piece, 1.5 * number)
    assert (summary.pieces, summary.notes, summary.seconds) == (4, 368, 9.0)
    quantiles = summary.quantiles()
    assert list(quantiles) == list(FEATURE_RESOLUTION)
    for feature, resolution in FEATURE_RESOLUTION.items():
        values = np.concatenate([piece[feature] for piece in pieces])
        for quantile in QUANTILES:
            expected = np.quantile(values, quantile, method="inverted_cdf")
            assert quantiles[feature][quantile] == pytest.approx(expected, abs=0.51 * resolution)


def test_quantiles_between_pieces_do_not_change_later_ones():
    summary = SplitSummary()
    summary.add(random_columns(1, 50), 1.0)
    assert summary.quantiles() == summary.quantiles()
    summary.add(random_columns(2, 50), 1.0)
    together = SplitSummary()
    together.add(random_columns(1, 50), 1.0)
    together.add(random_columns(2, 50), 1.0)
    assert summary.quantiles() == together.quantiles()


def test_long_times_count_as_100_seconds():
    summary = SplitSummary()
    summary.add(random_columns(1, 3) | {"step": np.array([99.0, 1e4, 1e9], np.float32)}, 1.0)
    assert list(summary.quantiles()["step"].values()) == pytest.approx([99.0, 99.0, 100.0, 100.0, 100.0], abs=1e-4)


def test_without_notes_there_are_no_quantiles():
    assert SplitSummary().quantiles() == {}
