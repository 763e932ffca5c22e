"""Score held-out music: models/bilstm.keras and data/notes -> reports/likelihood.json."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from stages.representation.grid_encoding import encode
from stages.representation.note_table import read_notes, read_pieces
from stages.utils.atomic import atomic_file
from stages.utils.errors import InputError
from stages.utils.params import Params
from stages.utils.runner import run_stage

MODEL, NOTES, LIKELIHOOD = Path("models/bilstm.keras"), Path("data/notes"), Path("reports/likelihood.json")


def main(params: Params) -> None:
    """Nats per note of continuing validation and test, of filling in test, and of the unigram floor on test."""
    from stages.model import likelihood, serialization

    network = serialization.load_model(MODEL)
    gaps = sorted(set(params.evaluate.gaps))
    if gaps and gaps[-1] > network.longest_gap:
        raise InputError(
            f"params.yaml: evaluate.gaps = {params.evaluate.gaps}: the network was trained for gaps of at most"
            f" {network.longest_gap} notes (train.longest_gap); leave longer ones out"
        )
    train, validation, test = (_fields(split) for split in ("train", "validation", "test"))
    of_validation = likelihood.make_scorer(network)(list(validation.values()), "validation")
    of_test = likelihood.make_scorer(network, gaps)(list(test.values()), "test")

    report: dict = {"validation": None, "test": None, "unigram": None, "infill": {}}
    if validation:
        report["validation"] = of_validation.mean()
    if test:
        pieces = read_pieces(NOTES / "pieces.parquet")
        new = ~pieces.loc[list(test)].apply(_named, axis=1).isin(
            set(pieces[pieces["split"] != "test"].apply(_named, axis=1))
        )
        report |= {
            "test": of_test.mean(),
            "unigram": likelihood.name_fields(
                likelihood.unigram_nll(np.concatenate(list(train.values())), np.concatenate(list(test.values())))
            ),
            "infill": {f"gap_{gap}": of_test.mean(gap) for gap in gaps},
            "test_without_shared_titles": of_test.mean(pieces=new.to_numpy())["total"] if new.any() else None,
            "bits_per_second": of_test.continuation.sum() / np.log(2) / pieces.loc[list(test), "seconds"].sum(),
            "notes": {"validation": int(of_validation.notes.sum()), "test": int(of_test.notes.sum())},
        }
    LIKELIHOOD.parent.mkdir(exist_ok=True)
    with atomic_file(LIKELIHOOD) as part:
        part.write_text(json.dumps(_rounded(report), indent=2) + "\n", encoding="utf-8")


def _fields(split: str) -> dict[int, np.ndarray]:
    return {int(piece): encode(notes) for piece, notes in read_notes(NOTES / f"{split}.parquet").groupby("piece")}


def _named(piece: pd.Series) -> tuple[str, str]:
    return piece["composer"], piece["title"]


def _rounded(value):
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return round(value, 4) if isinstance(value, float) else value


if __name__ == "__main__":
    run_stage(main)
