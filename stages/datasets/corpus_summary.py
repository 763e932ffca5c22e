"""Sizes of the splits of a corpus and quantiles of its notes, computed piece by piece in bounded memory."""

from collections.abc import Mapping

import numpy as np

FEATURE_RESOLUTION = {"step": 1e-4, "key_duration": 1e-4, "sounding_duration": 1e-4, "pitch": 1, "velocity": 1}
"""The columns of the note table that have quantiles, and to what these are rounded; times in seconds."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

MAX_UNITS = 1_000_000
"""Larger values, in units of the resolution, count as this: times from 100 s on."""

PENDING_NOTES = 1 << 18
"""Notes that are kept before they are counted together, because each count goes over all units."""


class SplitSummary:
    """The size of one split and the quantiles of its notes.

    It keeps a histogram of each feature instead of the notes, which may be more than memory holds.

    Attributes:
        pieces: number of pieces.
        notes: number of notes.
        seconds: total length of the pieces.
    """

    def __init__(self) -> None:
        self.pieces, self.notes, self.seconds = 0, 0, 0.0
        self._histograms = {feature: np.zeros(0, np.int64) for feature in FEATURE_RESOLUTION}
        self._pending: list[Mapping[str, np.ndarray]] = []
        self._num_pending = 0

    def add(self, columns: Mapping[str, np.ndarray], seconds: float) -> None:
        """Add a piece.

        Args:
            columns: its notes, by the names of the note table's columns.
            seconds: its length.
        """
        num_notes = len(columns["pitch"])
        self.pieces += 1
        self.notes += num_notes
        self.seconds += seconds
        self._pending.append(columns)
        self._num_pending += num_notes
        if self._num_pending >= PENDING_NOTES:
            self._count_pending()

    def quantiles(self) -> dict[str, dict[float, float]]:
        """Return the value of each of QUANTILES for each feature, rounded to its resolution.

        A quantile q is the smallest value that at least a fraction q of the notes do not exceed. Without notes there is
        none.
        """
        if not self.notes:
            return {}
        self._count_pending()
        result: dict[str, dict[float, float]] = {}
        for feature, resolution in FEATURE_RESOLUTION.items():
            cumulative = np.cumsum(self._histograms[feature])
            units = {quantile: int(np.searchsorted(cumulative, quantile * self.notes)) for quantile in QUANTILES}
            result[feature] = {quantile: round(count * resolution, 4) for quantile, count in units.items()}
        return result

    def _count_pending(self) -> None:
        if not self._pending:
            return
        for feature, resolution in FEATURE_RESOLUTION.items():
            values = np.concatenate([columns[feature] for columns in self._pending], dtype=np.float32)
            counts = np.bincount(np.minimum(values / resolution + 0.5, MAX_UNITS).astype(np.int64))
            shorter, longer = sorted([counts, self._histograms[feature]], key=len)
            longer[: len(shorter)] += shorter
            self._histograms[feature] = longer
        self._pending.clear()
        self._num_pending = 0
