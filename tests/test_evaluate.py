"""What the stage that scores refuses; its figures are those of tests/test_likelihood.py."""

import pytest

from stages import evaluate, settings
from stages.music.errors import InputError
from stages.network import bilstm
from stages.network.bilstm import BiLSTM
from tests.source import ROOT


def test_gaps_longer_than_the_network_was_trained_for_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evaluate.MODEL.parent.mkdir()
    bilstm.save(BiLSTM(units=8, trunk=8, head=8, longest_gap=8), evaluate.MODEL)
    params = settings.load(ROOT / "params.yaml")
    with pytest.raises(InputError, match=r"evaluate.gaps = \[1, 4, 16\]: .* at most 8 notes \(train.longest_gap\)"):
        evaluate.main(params)
    assert not evaluate.LIKELIHOOD.exists()
