"""The section `generate` of params.yaml."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from stages.params.common import GapNotes, Seed
from stages.utils.params_file import Section

PerField = tuple[float, float, float, float]
"""A value for each field of a note: step, pitch, duration, velocity."""

Samples = Annotated[int, Field(ge=0, le=64)]


def _per_field(low: float, high: float) -> BeforeValidator:
    # One number for all fields, or a list of four.
    def check(value: object) -> PerField:
        values = value if isinstance(value, list) else [value] * 4
        numbers = [number for number in values if isinstance(number, int | float) and not isinstance(number, bool)]
        if len(values) != 4 or len(numbers) != 4 or not all(low <= number <= high for number in numbers):
            raise ValueError(f"must be a number from {low:g} to {high:g}, or four: [step, pitch, duration, velocity]")
        step, pitch, duration, velocity = map(float, numbers)
        return step, pitch, duration, velocity

    return BeforeValidator(check)


class GenerateParams(Section):
    """How notes are sampled, and how many samples of which length are made."""

    seed: Seed
    temperature: Annotated[PerField, _per_field(0.05, 3)]
    top_p: Annotated[PerField, _per_field(0.05, 1)]
    min_p: Annotated[PerField, _per_field(0, 0.5)]
    drift_bias: Annotated[PerField, _per_field(0, 5)]
    repeat_bias: float = Field(ge=0, le=20)

    improvisations: Samples
    continuations: Samples
    infills: Samples
    sample_notes: int = Field(ge=16, le=100_000)
    prompt_notes: int = Field(ge=8, le=10_000)
    gap_notes: GapNotes
    metrics_only_improvisations: int = Field(ge=0, le=256)
