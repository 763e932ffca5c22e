"""What the stage that plays says where it cannot; what it plays is looked at in tests/test_rebuild.py."""

import numpy as np
import pandas as pd
import pytest

from stages import generate, settings
from stages.music.encoding import decode
from stages.music.errors import InputError
from stages.music.notes import PIECES, write_notes, write_pieces
from stages.network import bilstm
from stages.network.bilstm import BiLSTM
from tests.reference import random_fields
from tests.source import ROOT


@pytest.fixture
def play(tmp_path, monkeypatch):
    """Run the stage with so many notes of test music."""
    monkeypatch.chdir(tmp_path)
    generate.MODEL.parent.mkdir()
    bilstm.save(BiLSTM(units=8, trunk=8, head=8, longest_gap=8), generate.MODEL)
    params = settings.load(ROOT / "params.yaml")

    def run(notes):
        fields = random_fields(1, notes) if notes else np.zeros((0, 4), np.int32)
        write_notes(generate.REFERENCE / "test.parquet", decode(fields).assign(piece=np.int32(0)))
        pieces = pd.DataFrame([[0, "test", "", "", 0, "a.mid", notes, 9.0]], columns=PIECES.names)
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
