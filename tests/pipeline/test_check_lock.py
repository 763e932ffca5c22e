"""`make check-lock`: whether dvc.lock and the reports belong to the code and the settings, asked without any data."""

import pytest

from tests.helpers.dvc_clone import change, fresh_clone, make
from tests.helpers.source_analysis import ROOT


def test_a_committed_run_is(shared, tmp_path):
    result = make("check-lock", fresh_clone(shared, tmp_path / "clone"))
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    "drift, stage",
    [
        ("setting", "train"),
        ("code", "train"),
        ("metric", "compare"),
    ],
)
def test_what_has_drifted_is_not(shared, tmp_path, drift, stage):
    clone = fresh_clone(shared, tmp_path / "clone")
    if drift == "setting":
        change(clone, train={"dropout": 0.3})
    elif drift == "code":
        (clone / "stages/model/likelihood.py").write_text(
            (ROOT / "stages/model/likelihood.py").read_text(encoding="utf-8") + "# another\n", encoding="utf-8"
        )
    else:
        path = clone / "reports/overlap.json"
        path.write_text(path.read_text(encoding="utf-8").replace(": ", ": 1", 1), encoding="utf-8")
    result = make("check-lock", clone)
    assert result.returncode != 0
    assert f"Running stage '{stage}'" in result.stdout or f"failed to reproduce '{stage}'" in result.stdout
    assert "error: dvc.lock does not match the code and params.yaml" in result.stdout
