"""The section `plot` of params.yaml."""

from pydantic import Field

from stages.utils.params_file import Section


class PlotParams(Section):
    """How figures are drawn."""

    dpi: int = Field(ge=50, le=600)
