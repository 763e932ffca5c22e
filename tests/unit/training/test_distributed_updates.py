"""Several devices make the updates of one."""

import subprocess
import sys

import numpy as np
import pytest

from tests.helpers.distributed_training import INFILL_ROWS, UPDATES
from tests.helpers.source_analysis import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def result(tmp_path_factory) -> dict[str, np.ndarray]:
    """Return what a process wrote that trained on one and on three logical devices."""
    folder = tmp_path_factory.mktemp("updates")
    command = [sys.executable, "-m", "tests.helpers.distributed_training", "updates", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True)
    with np.load(folder / "result.npz") as file:
        return {name: file[name] for name in file.files}


@pytest.mark.parametrize("infill_rows", [INFILL_ROWS, 0])
def test_losses_states_and_weights_are_those_of_one_device(result, infill_rows):
    on_one = {name.partition("_")[2]: value for name, value in result.items() if name.startswith(f"one_{infill_rows}")}
    assert len(on_one) > 20
    for name, expected in on_one.items():
        tolerance = 1e-5 if name.endswith("sums") else 2e-3  # orthogonalising in bfloat16 multiplies rounding errors
        np.testing.assert_allclose(result[f"several_{name}"], expected, rtol=tolerance, atol=tolerance, err_msg=name)


def test_devices_count_different_notes(result):
    sums = result[f"one_{INFILL_ROWS}_sums"]
    assert len(sums) == UPDATES and (sums[:, 1] % 3 != 0).any()


def test_what_is_agreed_on(result):
    assert result["agreed"].tolist() == [[False, False], [True, True], [False, False], [False, False]]
