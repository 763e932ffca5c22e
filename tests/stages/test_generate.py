"""What the stage that plays says where it cannot; what it plays is looked at in tests/pipeline/test_rebuild.py."""

import numpy as np
import pandas as pd
import pytest

from stages import generate
from stages.model import serialization
from stages.model.bilstm import BiLSTM
from stages.representation.grid_encoding import decode
from stages.representation.note_table import PIECE_SCHEMA, write_notes, write_pieces
from stages.utils.errors import InputError
from stages.utils.params import load_params
from tests.helpers.numpy_model import random_fields
from tests.helpers.source_analysis import ROOT


@pytest.fixture
def play(tmp_path, monkeypatch):
    """Run the stage with so many notes of test music."""
    monkeypatch.chdir(tmp_path)
    generate.MODEL.parent.mkdir()
    serialization.save_model(BiLSTM(units=8, trunk=8, head=8, longest_gap=8), generate.MODEL)
    params = load_params(ROOT / "params.yaml")

    def run(notes):
        fields = random_fields(1, notes) if notes else np.zeros((0, 4), np.int32)
        write_notes(generate.REFERENCE / "test.parquet", decode(fields).assign(piece=np.int32(0)))
        pieces = pd.DataFrame([[0, "test", "", "", 0, "a.mid", notes, 9.0]], columns=PIECE_SCHEMA.names)
        write_pieces(generate.REFERENCE / "pieces.parquet", pieces)
        generate.main(params)

    return run


@pytest.mark.parametrize(
    "notes, says",
    [
        (0, "there is no test music to take prompts and gaps from; add files or raise extract.test_share"),
        (50, "no stretch of test music has more than 100 notes, as prompts and gaps need; lower generate.prompt_notes"),
    ],
)
def test_without_music_for_prompts_it_says_what_to_do(play, notes, says):
    with pytest.raises(InputError, match=says):
        play(notes)
    assert not generate.SAMPLES.exists()
