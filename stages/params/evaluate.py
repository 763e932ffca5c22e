"""The section `evaluate` of params.yaml."""

from stages.params.common import GapNotes
from stages.utils.params_file import Section


class EvaluateParams(Section):
    """What the trained network is scored on."""

    infill_gaps: list[GapNotes]
