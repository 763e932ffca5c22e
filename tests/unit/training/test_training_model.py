"""The training loss against a slow reference, and the LSTM states between windows."""

import keras
import numpy as np
import pytest

from stages.model import batching, history
from stages.model.bilstm import BiLSTM
from stages.training.losses import LOSS_SUMS
from stages.training.training_model import TrainingModel
from tests.helpers.made_up_notes import random_fields
from tests.helpers.numpy_model import ReferenceModel


@pytest.mark.parametrize("loss_on", ["all", "last"])
@pytest.mark.parametrize("batch_size, infill_batch_size", [(2, 1), (1, 1), (5, 3)])
def test_the_loss_is_the_mean_over_continuation_and_infill_notes(batch_size, infill_batch_size, loss_on):
    keras.utils.set_random_seed(1)
    network = BiLSTM(lstm_units=8, trunk_units=8, head_units=8, max_gap_notes=4)
    model = TrainingModel(network, batch_size, loss_on=loss_on)
    pieces = [random_fields(seed, 12) for seed in range(batch_size)]
    rows = np.stack([np.concatenate([history.padding_rows((1,)), history.note_rows(piece)]) for piece in pieces])
    gaps = np.arange(2, 2 + infill_batch_size, dtype=np.int32)
    sums = model({"rows": rows, "reset": np.full(batch_size, True), "gap": gaps})
    assert set(sums) == set(LOSS_SUMS)

    # Each of the two shards begins with its own infill rows; what does not divide by two goes to the second.
    middle, infill_middle = batch_size // 2, infill_batch_size // 2
    infill_rows = [*range(infill_middle), *range(middle, middle + infill_batch_size - infill_middle)]
    reference = ReferenceModel(network)
    first = 7 if loss_on == "last" else 0
    continuation = sum(reference.nll(piece)[first:8].sum() for piece in pieces)
    infill = sum(
        reference.nll(pieces[row], int(gap))[first:8].sum() for row, gap in zip(infill_rows, gaps, strict=True)
    )
    notes = 8 - first
    assert float(sums["continuation_nll"]) == pytest.approx(continuation, rel=1e-4)
    assert float(sums["infill_nll"]) == pytest.approx(infill, rel=1e-4)
    assert float(sums["continuation_notes"]) == batch_size * notes
    assert float(sums["infill_notes"]) == infill_batch_size * notes
    mean = (continuation + infill) / ((batch_size + infill_batch_size) * notes)
    assert float(model.compute_loss(y_pred=sums)) == pytest.approx(mean, rel=1e-4)
    assert {metric.name: float(metric.result()) for metric in model.loss_sums} == {
        name: float(value) for name, value in sums.items()
    }


@pytest.mark.parametrize("stateful", [True, False])
def test_batch_rows_keep_their_lstm_state_only_if_stateful(stateful):
    keras.utils.set_random_seed(1)
    network = BiLSTM(lstm_units=8, trunk_units=8, head_units=8, max_gap_notes=4)
    network.set_weights([3 * weight for weight in network.get_weights()])  # so that the state makes a difference
    model = TrainingModel(network, 1, stateful=stateful)
    piece = random_fields(1, 16)
    windows = batching.window_batches([batching.PieceSource(0, 16, lambda: piece)], 1, 8, 4)
    nll = [
        float(model({"rows": window.rows, "reset": window.reset, "gap": np.zeros(0, np.int32)})["continuation_nll"])
        for window in windows
    ]
    reference = ReferenceModel(network).nll(piece)
    assert nll[0] == pytest.approx(reference[:8].sum(), rel=1e-4)
    assert (nll[1] == pytest.approx(reference[8:].sum(), rel=1e-4)) == stateful
