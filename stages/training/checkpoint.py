"""Checkpoints: the state of a training run on disk."""

import hashlib
import io
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stages.training.losses import LossSums
from stages.training.progress_bar import print_line
from stages.training.workers import Worker
from stages.utils.atomic import atomic_file


@dataclass
class TrainingState:
    """Where training stands after an update; everything but weights.

    Attributes:
        update: optimizer updates so far.
        notes_seen: notes trained on in the epochs that have ended.
        epoch_sums: of the current epoch so far.
        best_epoch: number of the best epoch, counted from 1; 0 before the first has ended.
        best_loss: its validation loss in nats per note, or its training loss if there is no validation music.
        history: the row of reports/loss.csv of each epoch that has ended, by column.
    """

    update: int = 0
    notes_seen: int = 0
    epoch_sums: LossSums = field(default_factory=LossSums)
    best_epoch: int = 0
    best_loss: float = float("inf")
    history: list[dict[str, float]] = field(default_factory=list)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "TrainingState":
        """Make the state that `dataclasses.asdict` turned into `content`."""
        return cls(**content | {"epoch_sums": LossSums(**content["epoch_sums"])})


@dataclass(frozen=True)
class SavedTraining:
    """What a checkpoint holds.

    Attributes:
        state: where training stood.
        variables: every variable that one update hands on to the next.
        best_weights: the network's weights after its best epoch.
    """

    state: TrainingState
    variables: list[np.ndarray]
    best_weights: list[np.ndarray]


@dataclass(frozen=True)
class Checkpoint:
    """The file from which an interrupted training is resumed.

    Attributes:
        path: one .npz file, always replaced as a whole.
        fingerprint: of all that training depends on (see `fingerprint`); a file with another one is ignored.
        worker: this process among those that train together. The file is the chief's.
    """

    path: Path
    fingerprint: str
    worker: Worker = field(default_factory=Worker)

    def write(self, saved: SavedTraining) -> None:
        """Save where training stands; of several workers, the chief does, and the others wait for it."""
        if self.worker.is_chief:
            self._write_file(saved)
        self.worker.wait()

    def read(self) -> SavedTraining | None:
        """Return what `write` saved, or None if there is no file, or one that is damaged or has another fingerprint.

        All workers get what the chief has.
        """
        content = b""
        if self.worker.is_chief and self.path.is_file():
            content = self.path.read_bytes() or b"empty"
        content = self.worker.broadcast(content)
        if not content:
            return None
        try:
            header, arrays = _parse(content)
        except Exception as error:  # whatever a torn file makes numpy, zipfile and json raise
            self._say(f"is damaged ({error}); training starts from the beginning")
            return None
        if header["fingerprint"] != self.fingerprint:
            self._say("was made with other settings, data, code or versions; training starts from the beginning")
            return None
        state = TrainingState.from_dict(header["state"])
        print_line(f"resuming from the checkpoint after update {state.update}, in epoch {len(state.history) + 1}")
        return SavedTraining(state, _numbered(arrays, "variable_"), _numbered(arrays, "best_"))

    def discard(self) -> None:
        """Remove the file, once training has ended."""
        if self.worker.is_chief:
            self.path.unlink(missing_ok=True)

    def _say(self, what: str) -> None:
        print_line(f"the checkpoint in {self.path} {what}")

    def _write_file(self, saved: SavedTraining) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        header = json.dumps({"fingerprint": self.fingerprint, "state": asdict(saved.state)})
        arrays: dict[str, Any] = {"header": np.array(header)}
        arrays |= {f"variable_{number:03}": array for number, array in enumerate(saved.variables)}
        arrays |= {f"best_{number:03}": array for number, array in enumerate(saved.best_weights)}
        with atomic_file(self.path) as part, part.open("wb") as file:
            np.savez(file, **arrays)


def fingerprint(settings: str, files: Iterable[Path]) -> str:
    """Return a digest of all that a checkpoint and the run that resumes from it must have in common.

    Args:
        settings: the settings of the run, as text.
        files: data and code that training depends on, in an order that is always the same.
    """
    digest = hashlib.sha256(settings.encode())
    for path in files:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _numbered(arrays: dict[str, np.ndarray], prefix: str) -> list[np.ndarray]:
    return [arrays[name] for name in sorted(arrays) if name.startswith(prefix)]


def _parse(content: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    return json.loads(str(arrays.pop("header"))), arrays
