"""A stage starts with the project's own code, whatever is installed, and ends with one line and an exit status."""

import os
import subprocess
import sys

import pytest

from tests.helpers.source_analysis import ROOT

FOREIGN = "raise SystemExit('the code of a stranger')"


def start(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "DVC_"))}
    return subprocess.run(
        [sys.executable, "stages", *arguments], cwd=ROOT, capture_output=True, text=True, env=clean | environment
    )


@pytest.fixture
def foreign(tmp_path):
    """A folder with a package called `stages` and modules of the names that the rooms have."""
    for name in ("stages", "utils", "params"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(FOREIGN)
    (tmp_path / "stages" / "check.py").write_text(FOREIGN)
    return tmp_path


def test_a_stage_runs():
    result = start("check")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize("safe_path", ["", "1"])
def test_the_repositorys_own_code_runs_whatever_else_is_on_the_path(foreign, safe_path):
    result = start("check", PYTHONPATH=str(foreign), PYTHONSAFEPATH=safe_path)
    assert (result.returncode, result.stderr) == (0, "")


def test_the_repositorys_own_code_runs_whatever_is_installed(foreign):
    """A .pth file is how site-packages puts a folder on the path; sitecustomize goes further and puts it first."""
    (foreign / "sitecustomize.py").write_text(f"import sys; sys.path.insert(0, {str(foreign)!r})")
    result = start("check", PYTHONPATH=str(foreign))
    assert (result.returncode, result.stderr) == (0, "")


def test_the_room_names_hide_no_library():
    """Python puts the folder that it runs first on the path; stages/utils would then be the module `utils`."""
    program = "import runpy, sys; sys.argv = ['stages', 'check']; runpy.run_path('stages', run_name='__main__');"
    program += "import importlib.util; print(importlib.util.find_spec('params'))"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert result.stdout.strip() == "None", result.stderr


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["check", "more"], ["__main__"]])
def test_a_name_that_is_no_stage_is_answered_with_those_there_are(arguments):
    result = start(*arguments)
    assert result.returncode == 1 and result.stderr.startswith("usage: python stages NAME")
    assert "train" in result.stderr and "Traceback" not in result.stderr


PROGRAM = """
import sys
sys.path.insert(0, {root!r})
from stages.utils.errors import InputError
from stages.utils.runner import run_stage
def main():
    {body}
run_stage(main)
"""


@pytest.mark.parametrize(
    "body, status, line",
    [
        ("raise InputError('a.mid: is odd; mend it')", 1, "error: a.mid: is odd; mend it\n"),
        ("open('missing/file', 'w')", 1, "error: missing/file: No such file or directory\n"),
        ("import errno, os; raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))", 1, "No space left on device\n"),
        ("raise KeyboardInterrupt", 130, "interrupted\n"),
        ("raise MemoryError", 1, "error: out of memory; end other programs, or run this on a machine with more\n"),
        ("return", 0, ""),
    ],
)
def test_a_mistake_ends_in_one_line(tmp_path, body, status, line):
    program = PROGRAM.format(root=str(ROOT), body=body)
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == status
    assert result.stderr.endswith(line) and result.stderr.count("\n") == bool(line)


def test_a_defect_keeps_its_traceback(tmp_path):
    program = PROGRAM.format(root=str(ROOT), body="1 / 0")
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 1 and "Traceback" in result.stderr and "ZeroDivisionError" in result.stderr


def test_an_interpreter_without_the_packages_says_so_in_one_line():
    result = subprocess.run([sys.executable, "-S", "stages", "check"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {sys.executable} lacks ") and "activate the environment" in line


def test_without_an_interpreter_on_the_path_one_line_says_to_activate(tmp_path):
    result = subprocess.run(
        ["/bin/sh", "stages/run.sh", "check"], cwd=ROOT, capture_output=True, text=True, env={"PATH": str(tmp_path)}
    )
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: there is no python: activate the environment first")
