"""Train networks of several sizes with several budgets, and fit how the validation loss falls with both.

    python -m benchmarks.scaling_law

Needs the note tables in data/notes, the committed run's reports, and about an hour on two cores; it is no part of
`make bench`. Every run is the stage `train` in a folder of its own under scaling-law/, with the settings of params.yaml
but for SIZES and BUDGETS, one epoch, and a warm-up of a tenth of its updates. Runs that are there are not made again,
and an interrupted one resumes.

Fits loss = floor + a * parameters**-alpha + b * notes**-beta (Hoffmann et al., "Training Compute-Optimal Large Language
Models", 2022, approach 3) by least squares, with non-negative floor, a and b: once to these runs, and once to these and
the committed run, which is ten times as long as the longest. How certain a fit is shows when one run at a time is left
out. Prints the result and writes it to benchmarks/results/scaling_law.json: the runs, the fits, and what they foretell
for the committed run, for larger networks and for longer runs.
"""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.measurement import ROOT, write_result
from benchmarks.stage_run import train_in
from stages.check import Params
from stages.utils import paths
from stages.utils.json_io import read_json
from stages.utils.yaml_io import read_yaml

FOLDER = ROOT / "scaling-law"
SIZES = {96: (64, 48), 192: (128, 96), 384: (256, 192)}
"""`trunk_units` and `head_units` for each value of `lstm_units`."""

BUDGETS = (200, 400, 800)
"""Updates."""

EXPONENTS = np.linspace(0.02, 1.5, 75)
FORETOLD = {
    "the network of 768, 208 million notes": (8.4e6, 208e6),
    "ten times the parameters": (35e6, 65.5e6),
    "ten times the notes": (3.5e6, 655e6),
    "ten times both": (35e6, 655e6),
    "a hundred times both": (350e6, 6.55e9),
    "a thousand times both": (3.5e9, 65.5e9),
}
"""Parameters and notes."""


def main() -> None:
    """Train what is not there yet, fit, and write the result."""
    runs = pd.DataFrame([_run(units, updates) for updates, units in itertools.product(BUDGETS, SIZES)])
    committed = _describe(ROOT)
    cases = {"the committed run": (committed["parameters"], committed["notes"])} | FORETOLD
    result = {
        "runs": runs.round(3).to_dict("records"),
        "committed_run": {name: round(value, 3) for name, value in committed.items()},
        "without_committed_run": _extrapolate(runs, cases),
        "with_committed_run": _extrapolate(pd.concat([runs, pd.DataFrame([committed])], ignore_index=True), cases),
    }
    write_result("scaling_law", result)


def fit(runs: pd.DataFrame) -> dict[str, float]:
    """Fit the scaling law by least squares, the exponents on a grid.

    Args:
        runs: columns `parameters`, `notes` and `total`, the loss in nats per note.

    Returns:
        `floor`, `a`, `alpha`, `b` and `beta`, where parameters and notes are in millions.
    """
    best: tuple[float, dict[str, float]] | None = None
    parameters, notes = runs["parameters"].to_numpy() / 1e6, runs["notes"].to_numpy() / 1e6
    losses = runs["total"].to_numpy()
    for alpha, beta in itertools.product(EXPONENTS, EXPONENTS):
        terms = np.stack([np.ones(len(runs)), parameters**-alpha, notes**-beta], axis=1)
        weights = np.linalg.lstsq(terms, losses, rcond=None)[0]
        error = float(np.sum((terms @ weights - losses) ** 2))
        if (weights >= 0).all() and (best is None or error < best[0]):
            floor, a, b = map(float, weights)
            best = error, {"floor": floor, "a": a, "alpha": float(alpha), "b": b, "beta": float(beta)}
    if best is None:
        raise ValueError("no scaling law with non-negative terms fits these runs")
    return best[1]


def predict(law: dict[str, float], runs: pd.DataFrame) -> pd.Series:
    """Return the losses that a fit foretells for the columns `parameters` and `notes`."""
    from_size = law["a"] * (runs["parameters"] / 1e6) ** -law["alpha"]
    return law["floor"] + from_size + law["b"] * (runs["notes"] / 1e6) ** -law["beta"]


def _extrapolate(runs: pd.DataFrame, cases: dict[str, tuple[float, float]]) -> dict:
    fits = [fit(runs)] + [fit(runs.drop(index=left_out)) for left_out in runs.index]
    return {
        "fit": {name: round(value, 3) for name, value in fits[0].items()},
        "root_mean_square_error": round(float(np.sqrt(np.mean((predict(fits[0], runs) - runs["total"]) ** 2))), 4),
        "foretold": {name: _foretell(fits, *case) for name, case in cases.items()},
    }


def _foretell(fits: list[dict[str, float]], parameters: float, notes: float) -> dict[str, float]:
    case = pd.DataFrame({"parameters": [parameters], "notes": [notes]})
    losses = [float(predict(law, case).iloc[0]) for law in fits]
    return {
        "parameters": parameters,
        "notes": notes,
        "loss": round(losses[0], 2),
        "least": round(min(losses), 2),
        "most": round(max(losses), 2),
    }


def _run(units: int, updates: int) -> dict[str, float]:
    folder = FOLDER / f"{units}-{updates}"
    if not (folder / paths.MODEL).exists():
        trunk, head = SIZES[units]
        change = {"lstm_units": units, "trunk_units": trunk, "head_units": head}
        schedule = {"epochs": 1, "steps_per_epoch": updates, "warmup_steps": updates // 10}
        train_in(folder, read_yaml(ROOT / "params.yaml", Params).train.model_copy(update=change | schedule))
    return {"lstm_units": units, "updates": updates} | _describe(folder)


def _describe(folder: Path) -> dict[str, float]:
    # Size, notes, and losses of the best epoch of a run.
    reports = folder / paths.REPORTS
    losses = pd.read_csv(reports / "loss.csv")
    best = losses.loc[losses["validation_loss"].idxmin()]
    return {
        "parameters": int(pd.read_csv(reports / "parameters.csv")["parameters"].sum()),
        "notes": int(losses["notes_seen"].iloc[-1]),
        "train_loss": float(best["train_loss"]),
        "total": read_json(reports / "loss.json")["loss"],
    }


if __name__ == "__main__":
    main()
