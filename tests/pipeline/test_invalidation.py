"""Which stages each setting makes run again, leaf by leaf of params.yaml, asked of DVC itself."""

import re

import pytest
import yaml
from dvc.repo import Repo

from tests.helpers.dvc_clone import change, changed_stages, run
from tests.helpers.source_analysis import ROOT

# The stages that read a setting. What depends on what they make runs again too, if that comes out different. `check`
# looks at the whole file, so it always runs; `plot` shows some settings on its page.
RERUN = {
    "dataset": "download plot",
    "extract.validation_share": "extract",
    "extract.test_share": "extract",
    "extract.bad_share": "extract",
    "train.seed": "train plot",
    "train.units": "train plot",
    "train.trunk": "train plot",
    "train.head": "train plot",
    "train.pointers": "train",
    "train.streams": "train",
    "train.window": "train",
    "train.carry": "train",
    "train.targets": "train",
    "train.infill_share": "train",
    "train.longest_gap": "train",
    "train.transpose": "train",
    "train.stretch": "train",
    "train.dropout": "train",
    "train.epochs": "train",
    "train.steps_per_epoch": "train",
    "train.learning_rate": "train plot",
    "train.warmup_steps": "train",
    "train.weight_decay": "train",
    "train.clip_norm": "train",
    "train.patience": "train",
    "train.validation_notes": "train",
    "train.precision": "train",
    "evaluate.gaps": "evaluate",
    "reference.excerpts": "reference",
    "reference.notes": "reference",
    "generate.seed": "generate plot",
    "generate.temperature": "generate plot",
    "generate.top_p": "generate plot",
    "generate.min_p": "generate plot",
    "generate.steadiness": "generate plot",
    "generate.revisions": "generate plot",
    "generate.improvisations": "generate",
    "generate.continuations": "generate",
    "generate.fillings": "generate",
    "generate.notes": "generate",
    "generate.prompt_notes": "generate",
    "generate.gap_notes": "generate",
    "generate.measured": "generate",
    "render.sample_rate": "render",
    "render.loudness": "render",
    "plot.dpi": "plot",
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
        return value[:1]
    return "etudes" if isinstance(value, str) else value + 1


def test_the_table_names_every_setting():
    assert leaves(yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))) == list(RERUN)


@pytest.mark.parametrize("leaf", RERUN)
def test_a_setting_makes_run_again_what_reads_it(rebuilt, leaf):
    repository, _ = rebuilt
    path = repository / "params.yaml"
    before = path.read_text(encoding="utf-8")
    params = yaml.safe_load(before)
    section, _, key = leaf.partition(".")
    holder, name = (params[section], key) if key else (params, section)
    holder[name] = another(holder[name])
    path.write_text(yaml.safe_dump(params), encoding="utf-8")
    try:
        with Repo(str(repository)) as repo:
            found = repo.status()
    finally:
        path.write_text(before, encoding="utf-8")
    assert {stage.rpartition(":")[2] for stage in found} == {"check", *RERUN[leaf].split()}


def test_nothing_else_is_out_of_date(rebuilt):
    repository, _ = rebuilt
    assert changed_stages(repository) == set()


def test_a_setting_changed_and_changed_back_runs_nothing_again(rebuilt):
    """The run cache: what was made once with the same inputs and settings is taken from there."""
    repository, _ = rebuilt
    path = repository / "params.yaml"
    before = path.read_text(encoding="utf-8")
    lock = (repository / "dvc.lock").read_bytes()
    change(repository, generate={"temperature": 0.8})
    changed = run("dvc", "repro", cwd=repository)
    assert changed.returncode == 0, changed.stderr[-3000:]
    for stage in ("generate", "compare", "render", "plot"):
        assert f"Running stage '{stage}'" in changed.stdout
    for stage in ("download", "extract", "reference", "train", "evaluate"):
        assert f"Running stage '{stage}'" not in changed.stdout
    path.write_text(before, encoding="utf-8")
    back = run("dvc", "repro", cwd=repository)
    assert back.returncode == 0, back.stderr[-3000:]
    assert re.findall(r"Running stage '(\w+)'", back.stdout) == ["check"]  # it makes nothing that could be kept
    assert (repository / "dvc.lock").read_bytes() == lock
