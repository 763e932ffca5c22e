"""What continuations and infills share."""

import numpy as np

from stages.generation.generator import map_by_length, notes_before
from tests.helpers.made_up_notes import random_fields


def test_map_by_length_calls_once_for_each_length_and_keeps_the_order():
    pieces = [random_fields(seed, notes) for seed, notes in enumerate((5, 9, 5, 0, 9))]
    batches = []

    def first_pitches(batch):
        batches.append(sorted(map(len, batch)))
        return [fields[:1, 1].tolist() for fields in batch]

    assert map_by_length(pieces, first_pitches) == [fields[:1, 1].tolist() for fields in pieces]
    assert sorted(batches) == [[0], [5, 5], [9, 9]]


def test_notes_before_keeps_onsets_before_the_frame():
    fields = np.zeros((4, 4), np.int32)
    fields[:, 0] = [3, 0, 4, 1]
    assert [len(notes_before(fields, frame)) for frame in (3, 4, 7, 8, 9)] == [0, 2, 2, 3, 4]
