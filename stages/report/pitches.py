"""Names and ranges of pitches, for axes and labels."""

from collections.abc import Iterable

NAMES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")


def note_name(pitch: int) -> str:
    """Return the name of a MIDI note number in scientific pitch notation: 60 is C4."""
    return f"{NAMES[pitch % 12]}{pitch // 12 - 1}"


def pitch_range(pitches: Iterable[int]) -> tuple[int, int]:
    """Return the lowest and highest pitch of an axis for these pitches.

    Args:
        pitches: MIDI note numbers; if there are none, the range is around middle C.

    Returns:
        Two Cs as MIDI note numbers, at least three octaves apart, with all pitches between them.
    """
    pitches = list(pitches) or [60]
    low, high = min(pitches) // 12 * 12, -(-max(pitches) // 12) * 12
    while high - low < 36:
        low, high = (low - 12, high) if 60 - low <= high - 60 else (low, high + 12)
    return low, high
