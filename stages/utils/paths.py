"""Where the files of the pipeline lie, relative to the top folder of the repository. dvc.yaml declares the same."""

from pathlib import Path

DATA = Path("data")
RAW = DATA / "raw"
NOTES = DATA / "notes"
EXCERPTS = DATA / "excerpts"

MODEL = Path("models/bilstm.keras")
CHECKPOINT = Path("models/.checkpoint/training.npz")

REPORTS = Path("reports")
SAMPLES = REPORTS / "samples"
AUDIO = REPORTS / "audio"
FIGURES = REPORTS / "figures"
PAGE = REPORTS / "index.html"
