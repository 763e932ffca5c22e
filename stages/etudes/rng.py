"""Random numbers that are the same on every machine and in every version of Python."""

import hashlib
from collections.abc import Sequence
from random import Random
from typing import TypeVar

SEED = 1
"""Seed of the corpus; another seed gives another corpus."""

T = TypeVar("T")


class Rng:
    """A random number generator seeded with `SEED` and a purpose.

    All numbers come from `Random.random`, the only method whose values Python guarantees to stay the same.
    """

    def __init__(self, *purpose: object) -> None:
        """Seed the generator.

        Args:
            purpose: what the numbers are for. Different purposes give independent numbers.
        """
        digest = hashlib.sha256(" ".join(map(str, (SEED, *purpose))).encode()).digest()
        self._uniform = Random(int.from_bytes(digest, "big")).random

    def integer(self, count: int) -> int:
        """Return an integer from 0 to count - 1, uniformly distributed."""
        return int(self._uniform() * count)

    def choice(self, choices: Sequence[T]) -> T:
        """Return one of the choices, each with the same probability."""
        return choices[self.integer(len(choices))]

    def bernoulli(self, probability: float) -> bool:
        """Return true with a probability from 0 to 1."""
        return self._uniform() < probability

    def triangular(self, limit: float) -> float:
        """Return a number from -limit to limit with a symmetric triangular distribution."""
        return (self._uniform() + self._uniform() - 1) * limit
