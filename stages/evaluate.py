"""Score held-out music: models/bilstm.keras and data/notes -> reports/nll.json and reports/nll.csv.

All values are negative log-likelihoods in nats per note. Writes

- nll.json, the DVC metrics: continuation of validation music (`val_nll`) and of test music (`test_nll`), and infill of
  test music at the smallest gap of evaluate.infill_gaps (`infill_nll`); null where there is no such music or gap;
- nll.csv: one row for each music and field (`total` is the sum over fields). The music is validation, test,
  test_unshared_titles (test pieces whose title is in no other split; only the total; left out where titles are but
  names of files, since files of one work may have any names), unigram (test music by the frequencies of single values
  in train) and infill_gap_<notes> (test). Music that does not exist is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stages.params.evaluate import EvaluateParams
from stages.representation.grid_encoding import encode
from stages.representation.note_table import read_pieces
from stages.representation.stored_notes import StoredNotes
from stages.utils import paths
from stages.utils.csv_io import write_csv
from stages.utils.errors import InputError
from stages.utils.json_io import DIGITS, write_json
from stages.utils.keras_setup import import_keras
from stages.utils.runner import run_stage

if TYPE_CHECKING:
    from stages.model.bilstm import BiLSTM

NLL = paths.REPORTS / "nll.json"
NLL_TABLE = paths.REPORTS / "nll.csv"

Nll = dict[str, float]
"""Nats per note of `total` and of each field."""


def main(evaluate: EvaluateParams) -> None:
    """Score validation and test music and write the reports."""
    import_keras()
    from stages.model import serialization

    network = serialization.load_model(paths.MODEL)
    gaps = sorted(set(evaluate.infill_gaps))
    if gaps and gaps[-1] > network.max_gap_notes:
        raise InputError(
            f"params.yaml: evaluate.infill_gaps = {evaluate.infill_gaps}: the network was trained for gaps of at most"
            f" {network.max_gap_notes} notes (train.max_gap_notes); leave longer ones out"
        )
    scores = _score_validation(network) | _score_test(network, gaps)
    rows = [(music, field, nll) for music, fields in scores.items() for field, nll in fields.items()]
    write_csv(NLL_TABLE, pd.DataFrame(rows, columns=["music", "note_field", "nll"]).round({"nll": DIGITS}))
    write_json(NLL, _metrics(scores, gaps))


@dataclass(frozen=True)
class _StoredPiece:
    """A piece whose notes on the grid are read each time that numpy makes an array of it."""

    notes: StoredNotes
    number: int  # its row in the pieces table

    def __len__(self) -> int:
        return self.notes.num_notes[self.number]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return encode(self.notes.read(self.number))


def _score_validation(network: BiLSTM) -> dict[str, Nll]:
    from stages.model import likelihood

    pieces = _find_pieces("validation")
    if not pieces:
        return {}
    return {"validation": likelihood.make_scorer(network)(pieces, "validation").mean()}


def _score_test(network: BiLSTM, gaps: list[int]) -> dict[str, Nll]:
    from stages.model import likelihood

    pieces = _find_pieces("test")
    if not pieces:
        return {}
    scores = likelihood.make_scorer(network, gaps)(pieces, "test")
    result = {"test": scores.mean()}
    unshared = _has_unshared_title([piece.number for piece in pieces])
    if unshared.any():
        result["test_unshared_titles"] = {"total": scores.mean(pieces=unshared)["total"]}
    result["unigram"] = likelihood.name_fields(likelihood.unigram_nll(_find_pieces("train"), pieces))
    return result | {f"infill_gap_{gap}": scores.mean(gap) for gap in gaps}


def _find_pieces(split: str) -> list[_StoredPiece]:
    notes = StoredNotes(paths.NOTES / f"{split}.parquet")
    return [_StoredPiece(notes, number) for number in notes.num_notes]


def _has_unshared_title(test_pieces: list[int]) -> np.ndarray:
    # Whether no piece of another split has the same composer and title: bool, shape (test pieces,).
    pieces = read_pieces(paths.NOTES / "pieces.parquet")
    if (pieces["title"] == pieces["file"].map(lambda file: PurePosixPath(file).stem)).all():
        return np.zeros(len(test_pieces), bool)
    titles = pd.MultiIndex.from_frame(pieces[["composer", "title"]])
    other_titles = titles[(pieces["split"] != "test").to_numpy()]
    return ~titles[test_pieces].isin(other_titles)


def _metrics(scores: dict[str, Nll], gaps: list[int]) -> dict[str, float | None]:
    music = {"val_nll": "validation", "test_nll": "test", "infill_nll": f"infill_gap_{gaps[0]}" if gaps else ""}
    return {name: scores[key]["total"] if key in scores else None for name, key in music.items()}


if __name__ == "__main__":
    run_stage(main, evaluate=EvaluateParams)
