"""Checkpoints: a training run's state on disk."""

import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from stages.utils.atomic import atomic_file

# What a batch comes to: nats of all notes foretold from the past, and how many; the same of those filled in.
SUMS = ("continuing_nats", "continuing_notes", "infilling_nats", "infilling_notes")


def tell(line: str) -> None:
    # On stderr, which keeps nothing back, above the progress bar if there is one.
    tqdm.write(line, file=sys.stderr)


@dataclass
class TrainingState:
    """Where training stands after an update.

    sums: of the current epoch so far, in the order of SUMS; history: a dict for each epoch that has ended, with the
    columns of reports/loss.csv.
    """

    step: int = 0
    notes: int = 0
    sums: list[float] = field(default_factory=lambda: [0.0] * len(SUMS))
    best_epoch: int = 0
    best_loss: float = float("inf")
    history: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Checkpoint:
    """A training run's state on disk, so that an interrupted run can go on.

    path: one .npz file, replaced as a whole; fingerprint: of everything that decides how training goes. A file with
    another fingerprint, or a torn one, is thrown away.
    """

    path: Path
    fingerprint: str

    def write(self, progress: TrainingState, current: list[np.ndarray], best: list[np.ndarray]) -> None:
        """Save where training stands."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        about = json.dumps({"fingerprint": self.fingerprint, "progress": asdict(progress)})
        arrays = {f"current_{i:03}": array for i, array in enumerate(current)}
        arrays |= {f"best_{i:03}": array for i, array in enumerate(best)}
        with atomic_file(self.path) as part, part.open("wb") as file:
            np.savez(file, about=np.array(about), **arrays)

    def read(self) -> tuple[TrainingState, list[np.ndarray], list[np.ndarray]] | None:
        """What `write` saved, or None if there is nothing that fits."""
        if not self.path.is_file():
            return None
        try:
            with np.load(self.path, allow_pickle=False) as saved:
                about = json.loads(str(saved["about"]))
                names = sorted(saved.files)
                current = [saved[name] for name in names if name.startswith("current_")]
                best = [saved[name] for name in names if name.startswith("best_")]
        except Exception as error:  # whatever a torn file makes numpy and zipfile raise
            tell(f"the checkpoint in {self.path} is damaged ({error}); training starts anew")
            return None
        if about["fingerprint"] != self.fingerprint:
            tell(f"the checkpoint in {self.path} is of other settings, data or code; training starts anew")
            return None
        progress = TrainingState(**about["progress"])
        tell(f"going on from the checkpoint after update {progress.step}, in epoch {len(progress.history) + 1}")
        return progress, current, best

    def discard(self) -> None:
        """Remove the file; training has ended."""
        self.path.unlink(missing_ok=True)
