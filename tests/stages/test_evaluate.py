"""The stage that scores: its reports, and what it refuses. tests/unit/model/test_likelihood.py checks the scores."""

import numpy as np
import pandas as pd
import pytest

from stages import evaluate
from stages.model import likelihood, serialization
from stages.model.bilstm import BiLSTM
from stages.params.evaluate import EvaluateParams
from stages.representation.grid_encoding import FIELDS, decode, encode
from stages.representation.note_table import sort_notes, write_notes, write_pieces
from stages.utils import paths
from stages.utils.errors import InputError
from stages.utils.json_io import read_json
from tests.helpers.made_up_notes import random_fields

PIECES = {
    "train": [("Bach", "Fugue"), ("Bach", "Suite")],
    "validation": [("Bach", "Prelude")],
    "test": [("Bach", "Fugue"), ("Bach", "Toccata"), ("Haydn", "Suite")],
}
"""Composer and title of each piece of each split."""

NOTES = 40


@pytest.fixture(autouse=True)
def trained_model(tmp_path, monkeypatch, uncompiled) -> None:
    """Save a tiny untrained model."""
    monkeypatch.chdir(tmp_path)
    paths.MODEL.parent.mkdir()
    serialization.save_model(BiLSTM(lstm_units=8, trunk_units=8, head_units=8, max_gap_notes=8), paths.MODEL)


def random_piece(number: int, notes: int) -> pd.DataFrame:
    """Return a piece of random notes whose times are whole frames."""
    table = decode(random_fields(number, notes)).drop_duplicates(["start", "pitch"])
    return sort_notes(table.assign(piece=np.int32(number)))


def write_music(splits: dict[str, list[tuple[str, str]]]) -> dict[str, list[np.ndarray]]:
    """Write data/notes; return the fields of each piece of each split."""
    pieces, fields = [], {}
    for split in ("train", "validation", "test"):
        tables = [random_piece(len(pieces) + index, NOTES) for index in range(len(splits[split]))]
        write_notes(paths.NOTES / f"{split}.parquet", pd.concat(tables) if tables else random_piece(0, 1)[:0])
        fields[split] = [encode(table) for table in tables]
        for composer, title in splits[split]:
            names = {"split": split, "composer": composer, "title": title, "year": 2008, "file": f"{len(pieces)}.mid"}
            pieces.append({"piece": len(pieces), **names, "notes": NOTES, "seconds": 1.0})
    write_pieces(paths.NOTES / "pieces.parquet", pd.DataFrame(pieces))
    return fields


def run_evaluate(gaps: list[int]) -> tuple[dict[str, float | None], pd.Series]:
    """Run the stage; return nll.json, and nll.csv by music and field."""
    evaluate.main(EvaluateParams(infill_gaps=gaps))
    return read_json(evaluate.NLL), pd.read_csv(evaluate.NLL_TABLE).set_index(["music", "note_field"])["nll"]


@pytest.mark.slow
def test_reports_name_the_scores_of_each_music():
    fields = write_music(PIECES)
    metrics, table = run_evaluate([4, 2, 4])
    score = likelihood.make_scorer(serialization.load_model(paths.MODEL), [2, 4])
    validation, test = score(fields["validation"]), score(fields["test"])
    all_fields = ("total", *FIELDS)
    expected = {
        **{("validation", field): validation.mean()[field] for field in all_fields},
        **{("test", field): test.mean()[field] for field in all_fields},
        # Another composer's piece of the same title is not shared.
        ("test_unshared_titles", "total"): test.mean(pieces=np.array([False, True, True]))["total"],
        **{("unigram", field): table["unigram", field] for field in all_fields},
        **{("infill_gap_2", field): test.mean(2)[field] for field in all_fields},
        **{("infill_gap_4", field): test.mean(4)[field] for field in all_fields},
    }
    assert table.index.tolist() == list(expected)
    assert table.to_numpy() == pytest.approx(np.array(list(expected.values())), abs=1e-4)
    unigram = likelihood.unigram_nll(fields["train"], fields["test"])
    assert table["unigram"][list(FIELDS)].to_numpy() == pytest.approx(unigram, abs=1e-4)
    assert table["unigram", "total"] == pytest.approx(unigram.sum(), abs=1e-4)
    assert metrics == {
        "val_nll": table["validation", "total"],
        "test_nll": table["test", "total"],
        "infill_nll": table["infill_gap_2", "total"],
    }


def test_music_that_does_not_exist_is_left_out():
    write_music(PIECES | {"validation": [], "test": [("Bach", "Fugue")]})
    metrics, table = run_evaluate([])
    assert table.index.unique("music").tolist() == ["test", "unigram"]
    assert metrics == {"val_nll": None, "test_nll": table["test", "total"], "infill_nll": None}
    write_music(PIECES | {"test": []})
    metrics, table = run_evaluate([1])
    assert table.index.unique("music").tolist() == ["validation"]
    assert metrics == {"val_nll": table["validation", "total"], "test_nll": None, "infill_nll": None}


def test_names_of_files_are_no_titles():
    write_music({"train": [("", "0")], "validation": [("", "1")], "test": [("", "2"), ("", "3")]})
    _, table = run_evaluate([])
    assert table.index.unique("music").tolist() == ["validation", "test", "unigram"]


def test_gaps_longer_than_the_network_was_trained_for_are_refused():
    message = r"evaluate.infill_gaps = \[1, 4, 16\]: .* at most 8 notes \(train.max_gap_notes\)"
    with pytest.raises(InputError, match=message):
        evaluate.main(EvaluateParams(infill_gaps=[1, 4, 16]))
    assert not evaluate.NLL.exists() and not evaluate.NLL_TABLE.exists()
