"""The section `generate` of params.yaml."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from stages.params.common import GapNotes, Seed
from stages.utils.params_file import Section

PerField = tuple[float, float, float, float]
"""A value for each field of a note: step, pitch, duration, velocity."""

Samples = Annotated[int, Field(ge=0, le=64)]


_FIELDS = ("step", "pitch", "duration", "velocity")
_PREFERENCES = ("interval", "pitch class")
_COUNTS = {2: "two", 4: "four"}


def _numbers(low: float, high: float, names: tuple[str, ...]) -> BeforeValidator:
    # One number for all names, or a list with one for each.
    def check(value: object) -> tuple[float, ...]:
        count = len(names)
        values = value if isinstance(value, list) else [value] * count
        numbers = [number for number in values if isinstance(number, int | float) and not isinstance(number, bool)]
        if len(values) != count or len(numbers) != count or not all(low <= number <= high for number in numbers):
            listed = f"{_COUNTS[count]}: [{', '.join(names)}]"
            raise ValueError(f"must be a number from {low:g} to {high:g}, or {listed}")
        return tuple(map(float, numbers))

    return BeforeValidator(check)


class GenerateParams(Section):
    """How notes are sampled, and how many samples of which length are made."""

    seed: Seed
    temperature: Annotated[PerField, _numbers(0.05, 3, _FIELDS)]
    top_p: Annotated[PerField, _numbers(0.05, 1, _FIELDS)]
    min_p: Annotated[PerField, _numbers(0, 0.5, _FIELDS)]
    drift_bias: Annotated[PerField, _numbers(0, 5, _FIELDS)]
    repeat_bias: float = Field(ge=0, le=20)
    preference_bias: Annotated[tuple[float, float], _numbers(0, 2, _PREFERENCES)]

    improvisations: Samples
    continuations: Samples
    infills: Samples
    sample_notes: int = Field(ge=16, le=100_000)
    prompt_notes: int = Field(ge=8, le=10_000)
    gap_notes: GapNotes
    metrics_only_improvisations: int = Field(ge=0, le=256)
