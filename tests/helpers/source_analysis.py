"""What a stage's source says about it: the code it can reach inside the repository, and the settings it reads."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]

PLUMBING = {
    "stages/utils/atomic.py": "how an output gets its name once it is complete",
    "stages/utils/csv_io.py": "the format of CSV reports; tests/unit/utils/test_csv_io.py fixes it to the byte",
    "stages/utils/dask_cluster.py": "where work runs, and that the code is the same there",
    "stages/utils/errors.py": "the exception for input that cannot be used",
    "stages/utils/json_io.py": "the format of JSON reports; tests/unit/utils/test_json_io.py fixes it to the byte",
    "stages/utils/keras_setup.py": "the configuration of Keras; tests/unit/utils/test_keras_setup.py fixes it",
    "stages/utils/ordered_map.py": "how much work is under way; results come back in order",
    "stages/utils/params_file.py": "refuses settings, and never changes them",
    "stages/utils/paths.py": "where outputs lie, which dvc.yaml declares too",
    "stages/utils/process_pool.py": "where work runs; results come back in order",
    "stages/utils/runner.py": "how a stage starts and ends",
    "stages/utils/startup.py": "what a program may rely on in any terminal and locale",
    "stages/utils/watchdog.py": "ends a process whose parent is gone",
    "stages/utils/yaml_io.py": "refuses YAML files, and never changes their values",
    "stages/params/common.py": "types of settings: they refuse values, and never change them",
}
"""Modules that cannot change a byte of an output, and why. Stages do not depend on them."""


def closure(path: str) -> set[str]:
    """Return `path` and every file of the repository that it imports, directly or not, wherever the import stands.

    Files with the name of a module and another suffix (page.py, page.html, page.css) belong to it.
    """
    found, open_paths = set(), {path}
    while open_paths:
        current = open_paths.pop()
        found |= {file.relative_to(ROOT).as_posix() for file in (ROOT / current).parent.glob(f"{Path(current).stem}.*")}
        open_paths |= imported_files(current) - found
    return found


def imported_files(path: str) -> set[str]:
    """Return the modules of the repository that a module imports itself, as paths."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    files = {name.replace(".", "/") + ".py" for name in names if name.split(".")[0] == "stages"}
    return {file for file in files if (ROOT / file).is_file()}


def dependency_of(file: str) -> str:
    """Return what dvc.yaml must list for a file that a stage reaches: its room, or in params/ and at the top, itself.

    A room is a folder of stages/.
    """
    parts = file.split("/")
    return file if len(parts) == 2 or parts[1] == "params" else "/".join(parts[:2])


def code_dependencies(stage: str) -> set[str]:
    """Return the code that the stage must depend on in dvc.yaml: all that it can reach, plumbing apart."""
    return {dependency_of(file) for file in closure(f"stages/{stage}.py") - PLUMBING.keys()}


def sections_read(stage: str) -> set[str]:
    """Return the sections of params.yaml that the stage asks `run_stage` for."""
    for node in ast.walk(ast.parse((ROOT / f"stages/{stage}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "run_stage":
            return {keyword.arg for keyword in node.keywords if keyword.arg}
    raise AssertionError(f"stages/{stage}.py does not call run_stage")
