"""Every row of a batch is computed by one device, which has all that belongs to it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.training.batch_division import divide_batch
from stages.training.training_model import infill_rows


def as_the_model_reads(rows, gaps, num_shards):
    """Pair batch rows with their gaps as the model does: in each shard, the first rows have the shard's gaps."""
    pairs = []
    for rows_here, gaps_here in zip(cut(rows, num_shards), cut(gaps, num_shards), strict=True):
        pairs += [(row, gaps_here[place] if place < len(gaps_here) else None) for place, row in enumerate(rows_here)]
    return pairs


def cut(values, num_shards):
    return [
        values[len(values) * shard // num_shards : len(values) * (shard + 1) // num_shards]
        for shard in range(num_shards)
    ]


@given(st.integers(1, 5), st.integers(1, 12), st.floats(0, 1), st.integers(1, 2))
def test_every_row_has_its_gap_wherever_it_is_computed(num_devices, rows_per_device, infill_fraction, num_shards):
    batch_size = num_devices * rows_per_device
    num_infill = round(infill_fraction * batch_size)
    parts = divide_batch(batch_size, num_infill, num_shards, num_devices)
    expected = as_the_model_reads(list(range(batch_size)), list(range(num_infill)), num_shards)
    found = [pair for part in parts for pair in as_the_model_reads(list(part.rows), list(part.gaps), num_shards)]
    assert sorted(found, key=lambda pair: pair[0]) == expected
    assert {len(part.rows) for part in parts} == {rows_per_device}
    assert max(len(part.gaps) for part in parts) - min(len(part.gaps) for part in parts) <= 1


def test_one_device_has_the_rows_in_their_order():
    (part,) = divide_batch(7, 3, 2, 1)
    assert part.rows.tolist() == list(range(7)) and part.gaps.tolist() == [0, 1, 2]


def test_two_devices_by_hand():
    # Shards of one device: rows 0 to 3 and 4 to 7, the first of each for infill.
    assert infill_rows(8, 2, 2).tolist() == [0, 4]
    first, second = divide_batch(8, 2, 2, 2)
    # Each device has one infill row, which stands first in its second shard, since 1 // 2 is 0.
    assert (first.rows.tolist(), first.gaps.tolist()) == ([1, 2, 0, 3], [0])
    assert (second.rows.tolist(), second.gaps.tolist()) == ([5, 6, 4, 7], [1])
    assert np.concatenate([first.rows, second.rows]).size == 8
