"""The tempo map: both directions, and tempo messages that cannot be used."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.midi.tempo_map import MidiError, TempoMap


def tempo_map(changes: dict[int, int], ticks_per_quarter: int = 500) -> TempoMap:
    """Return the tempo map of {tick: microseconds per quarter note}."""
    ticks = np.array(list(changes), np.int64)
    return TempoMap(ticks, np.array(list(changes.values()), np.int64), ticks_per_quarter)


def test_default_tempo_applies_until_the_first_change():
    seconds = tempo_map({1000: 1_000_000}).ticks_to_seconds(np.array([0, 500, 1000, 1500]))
    assert seconds.tolist() == pytest.approx([0, 0.5, 1.0, 2.0], abs=1e-12)


def test_last_of_several_changes_at_one_tick_counts():
    changes = TempoMap(np.array([0, 0, 1000, 1000]), np.array([0, 250_000, 7, 1_000_000]), 500)
    assert changes.ticks_to_seconds(np.array([1000, 1500])).tolist() == pytest.approx([0.5, 1.5], abs=1e-12)


@given(
    st.dictionaries(st.integers(0, 100_000), st.integers(1000, 2**24 - 1), max_size=6),
    st.lists(st.integers(0, 200_000), min_size=1),
)
def test_seconds_are_converted_back_to_the_same_ticks(changes, ticks):
    sections = tempo_map(dict(sorted(changes.items())))
    seconds = sections.ticks_to_seconds(np.array(ticks))
    assert sections.seconds_to_ticks(seconds).tolist() == ticks


@pytest.mark.parametrize(
    ("changes", "ticks_per_quarter"), [({}, 0), ({-1: 500_000}, 500), ({0: 0}, 500), ({10: 1}, 32767)]
)
def test_unusable_tempo_raises_midi_error(changes, ticks_per_quarter):
    with pytest.raises(MidiError):
        tempo_map(changes, ticks_per_quarter)
