"""Two runs give the same bytes: every out of every stage, in another place, on a machine that is set up otherwise."""

import yaml

from tests.helpers.dvc_clone import run, small_clone
from tests.helpers.source_analysis import ROOT

# Outs whose bytes must agree: all of them.
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


def test_two_clones_make_the_same(rebuilt, tmp_path):
    first, _ = rebuilt
    second = small_clone(tmp_path / "some" / "where else")
    (tmp_path / "keras.json").write_text('{"floatx": "float64", "epsilon": 0.01, "backend": "torch"}', encoding="utf-8")
    (tmp_path / "matplotlibrc").write_text("font.size: 20\nsavefig.dpi: 30\n", encoding="utf-8")
    other_machine = {
        "LOKY_MAX_CPU_COUNT": "1",
        "PYTHONHASHSEED": "77",
        "TZ": "Asia/Tokyo",
        "LC_ALL": "C",
        "KERAS_BACKEND": "jax",
        "KERAS_HOME": str(tmp_path),
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "MATPLOTLIBRC": str(tmp_path),
    }
    result = run("dvc", "repro", cwd=second, **other_machine)
    assert result.returncode == 0, result.stderr[-3000:]
    lock = yaml.safe_load((second / "dvc.lock").read_text(encoding="utf-8"))
    assert lock == yaml.safe_load((first / "dvc.lock").read_text(encoding="utf-8"))
    # The lock has a hash of every out, so nothing was left out of the comparison.
    for name, stage in STAGES.items():
        declared = [entry for kind in ("outs", "metrics", "plots") for entry in stage.get(kind, [])]
        assert len(lock["stages"][name].get("outs", [])) == len(declared)
    assert (second / "reports/environment.json").read_bytes() == (first / "reports/environment.json").read_bytes()
