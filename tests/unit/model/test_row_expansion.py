"""Note rows made on the device that trains are those made on the processor."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.model.batching import PieceSource, field_batches, window_batches
from stages.model.history import padding_rows
from stages.model.row_expansion import expand_rows
from tests.helpers.made_up_notes import few_keys_fields, random_fields


def expanded(batch):
    """The rows of a field batch, with padding before the first note of a piece."""
    rows = np.array(expand_rows(batch.fields, batch.keyboard))
    rows[batch.reset, 0] = padding_rows(())
    return rows


@settings(max_examples=12)
@given(
    st.lists(st.integers(0, 50), max_size=5),
    st.integers(1, 3),
    st.sampled_from([1, 5, 16]),
    st.sampled_from([0, 4]),
    st.integers(0, 3),
    st.booleans(),
)
def test_field_batches_expand_to_window_batches(lengths, batch_size, seq_len, lookahead, skip, few_keys):
    make_fields = few_keys_fields if few_keys else random_fields
    fields = [make_fields(seed, length) for seed, length in enumerate(lengths)]
    pieces = [PieceSource(key, len(piece), partial(np.copy, piece)) for key, piece in enumerate(fields)]
    arguments = pieces, batch_size, seq_len, lookahead, skip, np.linspace(0, 0.9, batch_size)
    for windows, batch in zip(window_batches(*arguments), field_batches(*arguments), strict=True):
        assert (batch.reset == windows.reset).all() and (batch.piece == windows.piece).all()
        assert (expanded(batch) == windows.rows).all()


@pytest.mark.parametrize("seq_len, notes", [(3, 100), (64, 400)])
def test_keys_are_remembered_for_as_long_as_on_the_processor(seq_len, notes):
    fields = few_keys_fields(7, notes)  # with pauses of 10 s, after which times are clipped
    pieces = [PieceSource(0, len(fields), lambda: fields)]
    for windows, batch in zip(window_batches(pieces, 1, seq_len, 2), field_batches(pieces, 1, seq_len, 2), strict=True):
        assert (expanded(batch) == windows.rows).all()
