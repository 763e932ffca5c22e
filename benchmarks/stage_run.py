"""Run the stage `train` in a folder of its own, with settings of its own, on the notes of data/notes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import yaml

from benchmarks.measurement import ROOT
from stages.params.train import TrainParams
from stages.utils import paths


def train_in(folder: Path, train: TrainParams) -> float:
    """Run the stage `train` in a folder; it resumes there if it was interrupted.

    Args:
        folder: where the model and the reports of the run go; made if missing.
        train: the settings.

    Returns:
        How many seconds it took.

    Raises:
        SystemExit: the stage failed, with its exit code.
    """
    (folder / "data").mkdir(parents=True, exist_ok=True)
    notes = folder / paths.NOTES
    if not notes.exists():
        notes.symlink_to(os.path.relpath(ROOT / paths.NOTES, notes.parent))
    (folder / "params.yaml").write_text(yaml.safe_dump({"train": train.model_dump()}), encoding="utf-8")
    start = time.monotonic()
    ended = subprocess.run([sys.executable, ROOT / "stages", "train"], cwd=folder, check=False)
    if ended.returncode:
        sys.exit(ended.returncode)
    return time.monotonic() - start
