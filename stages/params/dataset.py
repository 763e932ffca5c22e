"""The key `dataset` of params.yaml."""

from typing import Annotated

from pydantic import Field

DatasetName = Annotated[str, Field(min_length=1)]
