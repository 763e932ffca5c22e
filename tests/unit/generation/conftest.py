"""The network that the tests of generation share."""

import keras
import numpy as np
import pytest

from stages.model.bilstm import NUM_POINTERS, BiLSTM
from stages.representation import grid_encoding


@pytest.fixture(scope="session")
def network():
    """Return a small untrained network whose distributions are uneven, with short steps and common ends as in music."""
    keras.utils.set_random_seed(3)
    network = BiLSTM(lstm_units=12, trunk_units=10, head_units=9, max_gap_notes=8)
    network.set_weights([3 * weight for weight in network.get_weights()])
    # Without training both are rare.
    network.step_logits.bias.assign(np.linspace(4, -4, grid_encoding.STEP_BINS))
    network.duration_logits.bias.assign(np.repeat([0, 3], [grid_encoding.DURATION_BINS, NUM_POINTERS]))
    return network


@pytest.fixture(scope="module", autouse=True)
def samplers(kept_samplers) -> None:
    """Compile each sampler once."""


@pytest.fixture
def two_notes_per_call(monkeypatch) -> None:
    """Sample no more notes than a test of many short sequences needs."""
    monkeypatch.setattr("stages.generation.generator.NOTES_PER_CALL", 2)
