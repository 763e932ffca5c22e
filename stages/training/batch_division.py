"""Which rows of a training batch each device computes."""

from dataclasses import dataclass

import numpy as np

from stages.training.training_model import infill_rows


@dataclass(frozen=True)
class DevicePart:
    """What one device computes.

    Attributes:
        rows: its batch rows, in the order in which a training model expects them: infill rows where `infill_rows` says.
        gaps: the numbers of these infill rows, counted over the infill rows of the batch.
    """

    rows: np.ndarray
    gaps: np.ndarray


def divide_batch(batch_size: int, num_infill: int, num_shards: int, num_devices: int) -> list[DevicePart]:
    """Divide a batch so that every row is computed as on one device, and devices have equally much to do.

    Infill rows, which cost more, and the others are divided apart, each in their order.

    Args:
        batch_size: rows, a multiple of `num_devices`.
        num_infill: how many of them are infill rows.
        num_shards: parts in which a training model computes its rows.
        num_devices: at least 1.
    """
    infill = infill_rows(batch_size, num_infill, num_shards)
    others = np.setdiff1d(np.arange(batch_size), infill)
    parts = []
    for gaps in _split(num_infill, num_devices):
        rows = np.full(batch_size // num_devices, -1)
        rows[infill_rows(len(rows), len(gaps), num_shards)] = infill[gaps]
        num_others = len(rows) - len(gaps)
        rows[rows < 0], others = others[:num_others], others[num_others:]
        parts.append(DevicePart(rows, gaps))
    return parts


def _split(size: int, parts: int) -> list[np.ndarray]:
    return [np.arange(size * part // parts, size * (part + 1) // parts) for part in range(parts)]
