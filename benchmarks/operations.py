"""Count the operations of training from the model's definition."""

import numpy as np

from stages.model.bilstm import BiLSTM
from stages.model.history import NUM_RECENT
from stages.params.train import TrainParams

# Kernels of input features. Their inputs have no gradient, so they take two products and all others three.
_FEATURE_KERNELS = (
    "forward_lstm/kernel",
    "backward_lstm/kernel",
    "note_proj",
    "timing_proj",
    "keyboard_proj",
    "nearby_keys_proj",
    "shared_ends_proj",
    "time_to_future_proj",
)
_POINTER_KERNELS = ("pointer_target_proj", "pointer_scores")  # applied to each of the recent notes


def count_operations(network: BiLSTM, train: TrainParams) -> float:
    """Return the multiplications and additions of an update's matrix products; those of the optimizer do not count.

    Args:
        network: what is trained.
        train: its settings.
    """
    infill_rows = round(train.infill_fraction * train.batch_size)
    continuation_notes, infill_notes = train.batch_size * train.seq_len, infill_rows * train.seq_len
    future_notes = infill_rows * (1 + train.seq_len + train.max_gap_notes)
    total = 0
    for weight in network.trainable_variables:
        name = weight.path
        if len(weight.shape) != 2 or "gap_embedding" in name:
            continue
        if "backward" in name:
            notes = future_notes
        elif any(part in name for part in ("future_proj", "next_note_proj")):
            notes = infill_notes
        elif "forward" in name:
            notes = continuation_notes
        else:
            notes = continuation_notes + infill_notes
        if any(part in name for part in _POINTER_KERNELS):
            notes *= NUM_RECENT
        products = 2 if any(part in name for part in _FEATURE_KERNELS) and "recurrent" not in name else 3
        total += 2 * products * notes * int(np.prod(weight.shape))
    return total
