"""Interrupts that wait for the end of an update."""

import signal
import threading

import pytest

from stages.training.signals import DeferredInterrupt


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_sets_a_flag_and_the_second_raises(number):
    before = signal.getsignal(number)
    with DeferredInterrupt() as interrupt:
        assert not interrupt.requested
        signal.raise_signal(number)
        assert interrupt.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert signal.getsignal(number) == before


def test_another_thread_than_the_main_one_leaves_signals_alone():
    before, inside = signal.getsignal(signal.SIGINT), []

    def run():
        with DeferredInterrupt():
            inside.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert inside == [before]
