"""Results in order, and never more work under way than allowed."""

from concurrent.futures import Future

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.utils.ordered_map import map_in_order


class Elsewhere:
    """Does nothing until a result is asked for; then the tasks under way end, the last one first."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.cancelled: list[int] = []
        self.ended = 0

    def submit(self, number: int) -> "Elsewhere._Task":
        self.begun.append(number)
        return Elsewhere._Task(self, number)

    class _Task:
        def __init__(self, elsewhere: "Elsewhere", number: int) -> None:
            self.elsewhere, self.number = elsewhere, number

        def result(self) -> int:
            if self.number == 13:
                raise ValueError("unlucky")
            self.elsewhere.ended += 1
            return -self.number

        def cancel(self) -> None:
            self.elsewhere.cancelled.append(self.number)


@given(st.integers(0, 12), st.lists(st.integers(1, 5), min_size=1))
def test_results_come_in_order_and_arguments_are_taken_late(count, limits):
    elsewhere, taken, asked = Elsewhere(), [], []

    def max_tasks() -> int:
        asked.append(limits[len(asked) % len(limits)])
        return asked[-1]

    arguments = (taken.append(number) or number for number in range(count))
    for seen, result in enumerate(map_in_order(elsewhere.submit, arguments, max_tasks)):
        assert result == -seen
        assert len(taken) == len(elsewhere.begun) <= seen + max(limits)
    assert elsewhere.ended == count and not elsewhere.cancelled


def test_what_is_left_is_cancelled_after_an_error_or_when_the_reader_leaves():
    elsewhere = Elsewhere()
    with pytest.raises(ValueError, match="unlucky"):
        list(map_in_order(elsewhere.submit, range(12, 99), lambda: 4))
    assert elsewhere.begun == [12, 13, 14, 15, 16] and elsewhere.cancelled == [14, 15, 16]
    elsewhere = Elsewhere()
    results = map_in_order(elsewhere.submit, range(9), lambda: 3)
    assert next(results) == 0
    results.close()
    assert elsewhere.cancelled == [1, 2]


def test_futures_are_tasks():
    future = Future()
    future.set_result("done")
    assert list(map_in_order(lambda _: future, "ab", lambda: 1)) == ["done", "done"]
