"""What the stage that scores refuses; its figures are those of tests/unit/model/test_likelihood.py."""

import pytest

from stages import evaluate
from stages.model import serialization
from stages.model.bilstm import BiLSTM
from stages.utils.errors import InputError
from stages.utils.params import load_params
from tests.helpers.source_analysis import ROOT


def test_gaps_longer_than_the_network_was_trained_for_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evaluate.MODEL.parent.mkdir()
    serialization.save_model(BiLSTM(units=8, trunk=8, head=8, longest_gap=8), evaluate.MODEL)
    params = load_params(ROOT / "params.yaml")
    with pytest.raises(InputError, match=r"evaluate.gaps = \[1, 4, 16\]: .* at most 8 notes \(train.longest_gap\)"):
        evaluate.main(params)
    assert not evaluate.LIKELIHOOD.exists()
