"""The section `render` of params.yaml."""

from typing import Literal

from pydantic import Field

from stages.utils.params_file import Section


class RenderParams(Section):
    """How samples are turned into sound."""

    sample_rate: Literal[22050, 44100, 48000]
    loudness_dbfs: float = Field(ge=-40, le=-10)
