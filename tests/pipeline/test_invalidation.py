"""Which stages a changed setting or a changed module makes run again, asked of DVC itself."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo

from tests.helpers.dvc_clone import change, changed_stages, run
from tests.helpers.source_analysis import PLUMBING, ROOT

# The stages that read a section. What depends on what they make runs again too, if that comes out different. `check`
# looks at the whole file, so it always runs; `plot` shows the sections train and generate on its page.
RERUN = {
    "dataset": "download plot",
    "extract": "extract",
    "excerpt": "excerpt",
    "train": "train plot",
    "evaluate": "evaluate",
    "generate": "generate plot preflight",
    "render": "render",
    "plot": "plot",
}
# The stages that run again for a change in a room, or in a module beside the rooms.
RERUN_CODE = {
    "stages/audio/synthesizer.py": "render",
    "stages/datasets/splits.py": "check download extract plot",
    "stages/generation/sampler.py": "generate preflight",
    "stages/metrics/overlap.py": "compare excerpt",
    "stages/midi/midi_io.py": "extract generate",
    "stages/model/bilstm.py": "evaluate generate train",
    "stages/report/page.css": "plot",
    "stages/representation/note_table.py": "compare evaluate excerpt extract generate plot preflight render train",
    "stages/samples/sample_set.py": "compare generate plot render",
    "stages/training/trainer.py": "train",
    "stages/train.py": "train",
    "stages/params/train.py": "check train",
    "stages/params/generate.py": "check generate preflight",
    "stages/params/common.py": "check",
    "stages/etudes/harmony.py": "",
}


def leaves(params: dict) -> list[str]:
    """All keys of params.yaml, section and key joined by a dot."""
    return [
        f"{section}.{key}" if isinstance(values, dict) else section
        for section, values in params.items()
        for key in (values if isinstance(values, dict) else [None])
    ]


def another(value):
    """A value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, list):
        return value[1:]
    return "etudes" if isinstance(value, str) else value + 1


@contextmanager
def changed(path: Path, text: str) -> Iterator[None]:
    """The file with another content, for as long as the block lasts."""
    before = path.read_bytes()
    path.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        path.write_bytes(before)


def stages_to_run(repository: Path) -> set[str]:
    """What `dvc status` lists, asked of DVC in this process."""
    with Repo(str(repository)) as repo:
        return {stage.rpartition(":")[2] for stage in repo.status()}


PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def test_the_table_names_every_section():
    assert list(PARAMS) == list(RERUN)


@pytest.mark.parametrize("leaf", leaves(PARAMS))
def test_a_setting_makes_run_again_the_stages_that_read_its_section(rebuilt, leaf):
    path = rebuilt[0] / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    section, _, key = leaf.partition(".")
    holder, name = (params[section], key) if key else (params, section)
    holder[name] = another(holder[name])
    with changed(path, yaml.safe_dump(params)):
        assert stages_to_run(rebuilt[0]) == {"check", *RERUN[section].split()}


@pytest.mark.parametrize("section", [section for section, keys in PARAMS.items() if isinstance(keys, dict)])
def test_a_new_key_makes_run_again_the_stages_that_read_its_section(rebuilt, section):
    """A key added to `generate` does not train again, although every stage's settings stand in one file."""
    path = rebuilt[0] / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    params[section]["new_key"] = 1
    with changed(path, yaml.safe_dump(params)):
        assert stages_to_run(rebuilt[0]) == {"check", *RERUN[section].split()}


@pytest.mark.parametrize("module", RERUN_CODE)
def test_code_makes_run_again_the_stages_that_depend_on_its_room(rebuilt, module):
    path = rebuilt[0] / module
    with changed(path, path.read_text(encoding="utf-8") + "\n"):
        assert stages_to_run(rebuilt[0]) == set(RERUN_CODE[module].split())


@pytest.mark.parametrize("module", [module for module in PLUMBING if module.startswith("stages/utils/")])
def test_plumbing_makes_nothing_run_again(rebuilt, module):
    path = rebuilt[0] / module
    with changed(path, path.read_text(encoding="utf-8") + "# a comment\n"):
        assert stages_to_run(rebuilt[0]) == set()


def test_what_python_and_editors_leave_beside_the_code_makes_nothing_run_again(rebuilt):
    room = rebuilt[0] / "stages/model"
    left = [room / "__pycache__/bilstm.cpython-313.pyc", room / "bilstm.pyc", room / ".bilstm.py.swp", room / "a.py~"]
    (room / "__pycache__").mkdir(exist_ok=True)
    for path in left:
        path.write_bytes(b"left")
    try:
        assert stages_to_run(rebuilt[0]) == set()
    finally:
        for path in left:
            path.unlink()


def test_nothing_else_is_out_of_date(rebuilt):
    repository, _ = rebuilt
    assert changed_stages(repository) == set()


def test_a_setting_changed_and_changed_back_runs_nothing_again(rebuilt):
    """The run cache: what was made once with the same inputs and settings is taken from there."""
    repository, _ = rebuilt
    path = repository / "params.yaml"
    before = path.read_text(encoding="utf-8")
    lock = (repository / "dvc.lock").read_bytes()
    change(repository, render={"loudness_dbfs": -18})
    changed = run("dvc", "repro", cwd=repository)
    assert changed.returncode == 0, changed.stderr[-3000:]
    assert re.findall(r"Running stage '(\w+)'", changed.stdout) == ["check", "render", "plot"]
    path.write_text(before, encoding="utf-8")
    back = run("dvc", "repro", cwd=repository)
    assert back.returncode == 0, back.stderr[-3000:]
    assert re.findall(r"Running stage '(\w+)'", back.stdout) == ["check"]  # which makes nothing to keep
    assert (repository / "dvc.lock").read_bytes() == lock
