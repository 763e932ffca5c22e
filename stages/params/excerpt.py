"""The section `excerpt` of params.yaml."""

from pydantic import Field

from stages.utils.params_file import Section


class ExcerptParams(Section):
    """How much real music the stages after training get."""

    max_excerpts: int = Field(ge=2, le=10_000)
    excerpt_notes: int = Field(ge=32, le=100_000)
