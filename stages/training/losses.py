"""The sums that the training losses are computed from."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields


@dataclass
class LossSums:
    """Negative log-likelihood in nats, and numbers of notes, summed over batches.

    Attributes:
        continuation_nll: of all notes, each predicted from the notes before it.
        continuation_notes: how many these are.
        infill_nll: of the notes in infill rows, each predicted from both sides of a gap.
        infill_notes: how many these are.
    """

    continuation_nll: float = 0.0
    continuation_notes: float = 0.0
    infill_nll: float = 0.0
    infill_notes: float = 0.0

    def add(self, batch_sums: Mapping[str, float]) -> None:
        """Add the sums of a batch, given by name; other names are ignored."""
        for name, value in asdict(self).items():
            setattr(self, name, value + float(batch_sums[name]))

    def is_finite(self) -> bool:
        """Return whether no sum is NaN or infinite."""
        return all(map(math.isfinite, asdict(self).values()))

    @property
    def continuation_loss(self) -> float:
        """Nats per note; 0 before the first note."""
        return self.continuation_nll / max(self.continuation_notes, 1)

    @property
    def infill_loss(self) -> float:
        """Nats per note; NaN without infill rows."""
        return self.infill_nll / self.infill_notes if self.infill_notes else float("nan")


LOSS_SUMS = tuple(field.name for field in fields(LossSums))
"""The names of the sums, as `TrainingModel` returns them."""
