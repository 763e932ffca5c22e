"""dvc.yaml says of each stage what its source says: no dependency too few, none too many; and the rooms keep order."""

from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo

from tests.helpers.source_analysis import PLUMBING, ROOT, closure, code_dependencies, imported_files, sections_read

PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
STAGES = PIPELINE["stages"]
ROOMS = sorted(path.name for path in (ROOT / "stages").iterdir() if path.is_dir() and path.name != "__pycache__")

# The rooms that a room may import.
ALLOWED = {
    "utils": set(),
    "params": {"utils"},
    "datasets": {"utils"},
    "midi": {"utils"},
    "audio": {"utils"},
    "representation": {"utils"},
    "samples": {"midi", "representation", "utils"},
    "metrics": {"representation", "utils"},
    "model": {"representation", "utils"},
    "training": {"model", "representation", "utils"},
    "generation": {"model", "representation", "utils"},
    "report": {"representation", "samples", "utils"},
    "etudes": {"utils"},
}


def modules(room: str) -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "stages" / room).rglob("*.py"))]


@pytest.mark.parametrize("name", STAGES)
def test_every_room_and_section_that_a_stage_reaches_is_declared_and_no_other(name):
    assert STAGES[name]["cmd"] == f"sh stages/run.sh {name}"
    declared = {dep for dep in STAGES[name]["deps"] if dep.startswith("stages/")}
    if name == "check":  # which reads the whole file, and so all of its sections
        assert declared == {"stages/check.py", "stages/datasets", "stages/params"}
        assert "params.yaml" in STAGES[name]["deps"] and "params" not in STAGES[name]
        assert code_dependencies(name) - {"stages/check.py", "stages/datasets"} == {
            module for module in modules("params") if module not in PLUMBING and not module.endswith("__init__.py")
        }
    else:
        assert declared == code_dependencies(name)
        assert set(STAGES[name].get("params", [])) == sections_read(name)


def test_freezing_and_unfreezing_a_stage_leaves_nothing_to_commit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = (ROOT / "dvc.yaml").read_bytes()
    with Repo.init(no_scm=True) as repository:
        (tmp_path / "dvc.yaml").write_bytes(before)
        for name in STAGES:
            repository.freeze(name)
            assert (tmp_path / "dvc.yaml").read_bytes().count(b"    frozen: true\n") == 1
            repository.unfreeze(name)
            assert (tmp_path / "dvc.yaml").read_bytes() == before


def test_stages_that_refuse_mistakes_stand_before_what_a_mistake_would_cost():
    """DVC runs stages that do not depend on one another in the order of the file."""
    names = list(STAGES)
    assert names[0] == "check" and names.index("preflight") < names.index("train")


def test_plumbing_is_one_room_and_the_shared_types_of_settings():
    assert {module for module in modules("utils") if not module.endswith("__init__.py")} == {
        module for module in PLUMBING if module.startswith("stages/utils/")
    }
    assert all((ROOT / module).is_file() for module in PLUMBING)


def test_every_stage_module_is_a_stage():
    found = {path.stem for path in (ROOT / "stages").glob("*.py")} - {"__init__", "__main__"}
    assert found == set(STAGES)


@pytest.mark.parametrize("name", STAGES)
def test_no_stage_imports_another(name):
    assert not {f"stages/{other}.py" for other in STAGES if other != name} & closure(f"stages/{name}.py")


def test_rooms_import_only_what_lies_below_them():
    assert set(ROOMS) == set(ALLOWED)
    for room in ROOMS:
        for module in modules(room):
            for file in imported_files(module):
                parts = Path(file).parts
                assert len(parts) == 3, f"{module} imports {file}, which is no module of a room"
                assert parts[1] == room or parts[1] in ALLOWED[room], f"{module} imports {file}"


def test_modules_do_not_import_one_another_in_a_circle():
    for room in ROOMS:
        for module in modules(room):
            for imported in imported_files(module):
                assert module not in closure(imported), f"{module} and {imported} import each other"


def test_packages_are_empty():
    """An import of a module runs the packages around it, which no stage declares."""
    for path in (ROOT / "stages").rglob("__init__.py"):
        assert not path.read_text(encoding="utf-8").strip(), path
    assert all((ROOT / "stages" / room / "__init__.py").is_file() for room in ROOMS)


def test_nothing_that_python_writes_is_hashed():
    ignored = (ROOT / ".dvcignore").read_text(encoding="utf-8").split()
    assert "__pycache__" in ignored and "*.pyc" in ignored
