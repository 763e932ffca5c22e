"""Batches made ahead of time are the same, and so are errors."""

import itertools
import threading

import pytest

from stages.training.prefetch import prefetch


def test_items_come_in_order():
    assert list(itertools.islice(prefetch(itertools.count(3), 2), 50)) == list(range(3, 53))


def test_items_are_made_before_they_are_asked_for():
    made = threading.Event()

    def items():
        yield 1
        yield 2
        made.set()
        yield from itertools.count(3)

    prefetched = prefetch(items(), 2)
    assert next(prefetched) == 1
    assert made.wait(timeout=60)


def test_an_error_is_raised_where_it_occurred():
    def items():
        yield 1
        raise OSError("unreadable")

    prefetched = prefetch(items(), 5)
    assert next(prefetched) == 1
    with pytest.raises(OSError, match="unreadable"):
        next(prefetched)
