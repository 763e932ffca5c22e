"""Chance that is the same on every machine and in every version of Python."""

import hashlib
from collections.abc import Sequence
from random import Random
from typing import TypeVar

SEED = 1
"""Another one gives another corpus."""

T = TypeVar("T")


class Dice:
    """Draws that follow from `SEED` and what the dice are for.

    All come from `Random.random`: the one method of which Python promises that its values will stay as they are.
    """

    def __init__(self, *purpose: object) -> None:
        digest = hashlib.sha256(" ".join(map(str, (SEED, *purpose))).encode()).digest()
        self._uniform = Random(int.from_bytes(digest, "big")).random

    def below(self, count: int) -> int:
        """An integer from 0 to count - 1."""
        return int(self._uniform() * count)

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.below(len(choices))]

    def chance(self, share: float) -> bool:
        """True in a share of cases from 0 to 1."""
        return self._uniform() < share

    def wobble(self, spread: float) -> float:
        """From -spread to spread, small values more often (triangular)."""
        return (self._uniform() + self._uniform() - 1) * spread
