"""The typed, range-checked view of params.yaml. The comments there say what each key is for."""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from stages.utils.errors import InputError

PARAMS = Path("params.yaml")

Seed = Annotated[int, Field(ge=0, lt=2**32)]
Width = Annotated[int, Field(ge=8, le=4096)]
Share = Annotated[float, Field(ge=0, le=1)]
Gap = Annotated[int, Field(ge=1, le=64)]
Samples = Annotated[int, Field(ge=0, le=64)]


def _each(low: float, high: float) -> BeforeValidator:
    # A number for all fields of a note, or one for each.
    def check(value: object) -> tuple[float, ...]:
        values = value if isinstance(value, list) else [value] * 4
        numbers = [number for number in values if isinstance(number, int | float) and not isinstance(number, bool)]
        if len(values) != 4 or len(numbers) != 4 or not all(low <= number <= high for number in numbers):
            raise ValueError(f"must be a number from {low:g} to {high:g}, or four: [step, pitch, duration, velocity]")
        return tuple(map(float, numbers))

    return BeforeValidator(check)


Each = tuple[float, float, float, float]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Extract(_Section):
    validation_share: float = Field(ge=0, le=0.5)
    test_share: float = Field(ge=0, le=0.5)
    bad_share: Share


class Train(_Section):
    seed: Seed
    units: Width
    trunk: Width
    head: Width
    streams: int = Field(ge=1, le=4096)
    window: int = Field(ge=8, le=1024)
    infill_share: Share
    longest_gap: Gap
    pointers: bool
    carry: bool
    targets: Literal["every", "last"]
    transpose: int = Field(ge=0, le=12)
    stretch: float = Field(ge=0, le=0.3)
    dropout: float = Field(ge=0, le=0.9)
    epochs: int = Field(ge=1, le=10_000)
    steps_per_epoch: int = Field(ge=1, le=100_000)
    learning_rate: float = Field(ge=1e-5, le=0.1)
    warmup_steps: int = Field(ge=0, le=10_000)
    weight_decay: float = Field(ge=0, le=1)
    clip_norm: float = Field(ge=0.01, le=100)
    patience: int = Field(ge=1, le=10_000)
    validation_notes: int = Field(ge=16, le=100_000)
    precision: Literal["float32", "bfloat16"]


class Evaluate(_Section):
    gaps: list[Gap]


class Reference(_Section):
    excerpts: int = Field(ge=2, le=10_000)
    notes: int = Field(ge=32, le=100_000)


class Generate(_Section):
    seed: Seed
    temperature: Annotated[Each, _each(0.05, 3)]
    top_p: Annotated[Each, _each(0.05, 1)]
    min_p: Annotated[Each, _each(0, 0.5)]
    steadiness: float = Field(ge=0, le=3)
    revisions: int = Field(ge=0, le=20)
    improvisations: Samples
    continuations: Samples
    fillings: Samples
    notes: int = Field(ge=16, le=100_000)
    prompt_notes: int = Field(ge=8, le=10_000)
    gap_notes: Gap
    measured: int = Field(ge=0, le=256)


class Render(_Section):
    sample_rate: Literal[22050, 44100, 48000]
    loudness: float = Field(ge=-40, le=-10)


class Plot(_Section):
    dpi: int = Field(ge=50, le=600)


class Params(_Section):
    """All of params.yaml; one attribute a section, named as there."""

    dataset: str = Field(min_length=1)
    extract: Extract
    train: Train
    evaluate: Evaluate
    reference: Reference
    generate: Generate
    render: Render
    plot: Plot


def load_params(path: Path = PARAMS) -> Params:
    """Read and check `path`.

    Raises InputError, one line, for the first key that is unknown, missing, of the wrong type or out of range,
    and for a file that is missing or not YAML.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: not found; run this from the top folder of the repository") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{path}: {_explain(error)}") from None


def _explain(error: ValidationError) -> str:
    # An unknown key goes first: it is usually the typo behind a missing one.
    problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    first = problems[0]
    key = ".".join(map(str, first["loc"])) or "the file"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    if first["type"] == "extra_forbidden":
        return f"{key}: unknown key{_known(first['loc'])}{more}"
    if first["type"] == "missing":
        return f"{key}: missing key; `git show HEAD:params.yaml` has an example{more}"
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input ").replace("should", "must")
    return f"{key} = {first['input']!r}: {message}{more}"


def _known(location: tuple[int | str, ...]) -> str:
    section = Params
    for name in location[:-1]:
        section = section.model_fields[str(name)].annotation
    return f"; known here: {', '.join(section.model_fields)}"
