"""How notes are sampled from the distributions of the network."""

from dataclasses import dataclass, fields
from typing import Any, Self

PerField = float | tuple[float, float, float, float]
"""One value for all fields of a note, or one each for step, pitch, duration and velocity."""


@dataclass(frozen=True)
class SamplingConfig:
    """Sampling settings. The defaults sample from the distributions as they were learned.

    Attributes:
        temperature: above 0; 1 leaves the probabilities as they are, less makes likely choices likelier.
        top_p: 0 to 1; keep the likeliest choices of this probability mass (Holtzman et al., 2020).
        min_p: 0 to 1; leave out choices of less than this fraction of the highest probability (Nguyen et al., 2024), or
            of the probability of all others together where that is less, so that a nearly certain choice leaves some.
        drift_bias: at least 0; how strongly improvisations and continuations are held to their own tempo, register,
            articulation and loudness, see `stages.generation.drift`. Infills do not use it: the future sets these.
        repeat_bias: at least 0; how strongly improvisations and continuations come back to what they have played, see
            `stages.generation.repetition`. Infills do not use it.
        preference_bias: at least 0, for intervals and for pitch classes; how strongly improvisations and continuations
            keep to those that they have used, see `stages.generation.preferences`. Infills do not use it.
    """

    temperature: PerField = 1.0
    top_p: PerField = 1.0
    min_p: PerField = 0.0
    drift_bias: PerField = 0.0
    repeat_bias: float = 0.0
    preference_bias: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def from_params(cls, params: Any) -> Self:
        """Take the settings from an object with attributes of their names, such as the section `generate`."""
        return cls(**{field.name: getattr(params, field.name) for field in fields(cls)})


UNMODIFIED_SAMPLING = SamplingConfig()
"""Sampling from the distributions as they were learned."""
