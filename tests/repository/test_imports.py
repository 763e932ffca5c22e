"""A stage that uses no network starts without TensorFlow, which takes seconds to import."""

import subprocess
import sys

import pytest
import ruamel.yaml

from tests.helpers.source_analysis import ROOT, closure
from tests.repository.test_dvc_yaml import STAGES

WITHOUT_NETWORK = [
    name for name in STAGES if not any(file.startswith("stages/model/") for file in closure(f"stages/{name}.py"))
]


def test_most_stages_use_no_network():
    assert set(STAGES) - set(WITHOUT_NETWORK) == {"train", "evaluate", "generate"}


@pytest.mark.parametrize("name", WITHOUT_NETWORK)
def test_no_tensorflow(name):
    # All of what a stage may import, wherever in its modules the import stands.
    files = sorted(file for file in closure(f"stages/{name}.py") if file.endswith(".py"))
    modules = ", ".join(file.removesuffix(".py").replace("/", ".") for file in files)
    program = f"import sys, {modules}; print(*{{'tensorflow', 'keras', 'torch'}} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_dvc_parses_yaml_in_c():
    """Which ruamel.yaml does only with a package that it does not require; a new version may want another one."""
    assert ruamel.yaml.__with_libyaml__
