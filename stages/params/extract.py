"""The section `extract` of params.yaml."""

from pydantic import Field

from stages.params.common import Fraction
from stages.utils.params_file import Section


class ExtractParams(Section):
    """How a folder of MIDI files is split, and how many files may be unreadable."""

    validation_fraction: float = Field(ge=0, le=0.5)
    test_fraction: float = Field(ge=0, le=0.5)
    max_unreadable_fraction: Fraction
