"""Types of value that several sections of params.yaml share."""

from typing import Annotated

from pydantic import Field

Seed = Annotated[int, Field(ge=0, lt=2**32)]
Fraction = Annotated[float, Field(ge=0, le=1)]
GapNotes = Annotated[int, Field(ge=1, le=64)]
