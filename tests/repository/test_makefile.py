"""The Makefile: `make help` describes every target, and the params that targets set exist."""

import os
import re
import subprocess

import pytest
import yaml

from stages.check import Params
from tests.helpers.source_analysis import ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
ABLATIONS = re.search(r"^ABLATIONS := ((?:.*\\\n)*.*)$", MAKEFILE, re.MULTILINE)[1].replace("\\\n", " ").split()


def make(*arguments: str) -> str:
    # Without what `make test` hands on, which makes it print the folders that it enters and leaves.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(["make", *arguments], cwd=ROOT, env=clean, capture_output=True, text=True, check=True)
    return done.stdout


def test_help_describes_every_target():
    targets = set(re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[1].split()) - {"$(ABLATIONS)"}
    printed = make("help")
    described = dict(re.findall(r"^  make ([a-z-]+) +(\S.*)$", printed, re.MULTILINE))
    assert set(described) == targets
    assert printed.split()[-len(ABLATIONS) :] == ABLATIONS
    assert [line for line in printed.splitlines() if line and not line.startswith(" ")][:-1] == [
        "Set-up",
        "Run",
        "Test",
        "Publish",
        "Maintenance",
    ]


@pytest.mark.parametrize("target", ["demo", *ABLATIONS])
def test_params_that_a_target_sets_exist_and_are_valid(target):
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    changes = re.findall(r"-S ([a-z_.]+)=(\S+)", make("--dry-run", target))
    assert len(changes) >= 3
    for key, value in changes:
        *sections, name = key.split(".")
        section = params
        for part in sections:
            section = section[part]
        assert name in section
        section[name] = yaml.safe_load(value)
    Params.model_validate(params)


def test_ablations_differ_from_one_another():
    changes = {name: re.findall(r"-S (\S+)", make("--dry-run", name)) for name in ABLATIONS}
    assert len({tuple(change) for change in changes.values()}) == len(ABLATIONS)
    assert all(f"--name {name} " in make("--dry-run", name) for name in ABLATIONS)
