"""The section `train` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field

from stages.params.common import Fraction, GapNotes, Seed
from stages.utils.params_file import Section

Units = Annotated[int, Field(ge=8, le=4096)]


class TrainParams(Section):
    """The network, its training data, and the schedule."""

    seed: Seed

    lstm_units: Units
    trunk_units: Units
    head_units: Units
    duration_pointers: bool

    batch_size: int = Field(ge=1, le=4096)
    seq_len: int = Field(ge=8, le=1024)
    stateful: bool
    loss_on: Literal["all", "last"]
    infill_fraction: Fraction
    max_gap_notes: GapNotes
    transpose_semitones: int = Field(ge=0, le=12)
    time_stretch: float = Field(ge=0, le=0.3)
    velocity_shift: int = Field(ge=0, le=8)
    dropout: float = Field(ge=0, le=0.9)

    epochs: int = Field(ge=1, le=10_000)
    steps_per_epoch: int = Field(ge=1, le=100_000)
    learning_rate: float = Field(ge=1e-5, le=0.1)
    warmup_steps: int = Field(ge=0, le=10_000)
    weight_decay: float = Field(ge=0, le=1)
    clip_norm: float = Field(ge=0.01, le=100)
    patience: int = Field(ge=1, le=10_000)
    validation_max_notes: int = Field(ge=16, le=100_000)
    precision: Literal["float32", "bfloat16"]
    backend: Literal["tensorflow", "jax"]
