"""dvc.yaml says of each stage exactly what its source says: no dependency too few, none too many."""

import pytest
import yaml

from tests.helpers.source_analysis import ROOT, closure, params_read

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


@pytest.mark.parametrize("name", STAGES)
def test_code_dependencies_are_the_import_closure(name):
    assert STAGES[name]["cmd"] == f"python -m stages.{name}"
    code = {dep for dep in STAGES[name]["deps"] if dep.startswith("stages/")}
    assert code == closure(f"stages/{name}.py")


@pytest.mark.parametrize("name", STAGES)
def test_params_are_those_that_the_stage_reads(name):
    whole = "params.yaml" in STAGES[name]["deps"]
    assert set(STAGES[name].get("params", [])) == (set() if whole else params_read(f"stages/{name}.py"))


def test_no_stage_imports_another_and_arrows_run_one_way():
    for name in STAGES:
        assert not {f"stages/{other}.py" for other in STAGES if other != name} & closure(f"stages/{name}.py")
    for package, below in {"music": ("music",), "network": ("network", "music"), "report": ("report", "music")}.items():
        for path in (ROOT / "stages" / package).glob("*.py"):
            for file in closure(path.relative_to(ROOT).as_posix()):
                assert file.split("/")[1] in below, f"{path} imports {file}"
