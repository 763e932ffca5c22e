"""What one excerpt does: repetition, chords, dynamics, tempo."""

import numpy as np

ONSET_TOLERANCE_FRAMES = 5
"""cells; onsets less than 50 ms apart count as one instant, the tolerance customary in comparing onsets (mir_eval)."""

NGRAM_NOTES = 8
"""notes; the shortest sequence that counts as a phrase said again."""


def repeated_note_rate(pitch: np.ndarray) -> float:
    """Share of the notes after the first that have the pitch of the note before, 0 to 1."""
    return float((pitch[1:] == pitch[:-1]).mean()) if len(pitch) > 1 else 0.0


def max_note_repeat(pitch: np.ndarray) -> int:
    """The most notes in a row that have one pitch; 1 where none is repeated."""
    if not len(pitch):
        return 0
    changes = np.flatnonzero(np.diff(pitch, prepend=-1, append=-1))
    return int(np.diff(changes).max())


def repeated_ngram_rate(pitch: np.ndarray) -> float:
    """Share of the sequences of `PHRASE` notes whose pitches have come before in the same order, 0 to 1.

    Real music says things again; a model that says everything again is stuck, one that never does has no memory.
    """
    if len(pitch) < NGRAM_NOTES:
        return 0.0
    phrases = np.lib.stride_tricks.sliding_window_view(pitch, NGRAM_NOTES)
    return float(1 - len(np.unique(phrases, axis=0)) / len(phrases))


def same_onset_rate(cell: np.ndarray) -> float:
    """Share of the notes after the first that begin in the same cell as the note before, 0 to 1."""
    return float((cell[1:] == cell[:-1]).mean()) if len(cell) > 1 else 0.0


def max_onset_cluster(cell: np.ndarray) -> float:
    """The largest share of the notes that begins within one instant, that is in `INSTANT` successive cells, 0 to 1."""
    if not len(cell):
        return 0.0
    return float((np.searchsorted(cell, cell + ONSET_TOLERANCE_FRAMES) - np.arange(len(cell))).max() / len(cell))


def velocity_std(velocity: np.ndarray) -> float:
    """Standard deviation of the velocities, in MIDI units; 0 where dynamics do not move."""
    return float(velocity.std()) if len(velocity) else 0.0


def tempo_drift(cell: np.ndarray) -> float:
    """|log2(b / a)|, where a and b are the times from the first to the last onset of the first and the second half.

    0 where both halves are equally dense, 1 where one has twice the notes a second of the other. A half without extent
    counts as one cell; the middle one of an odd number of notes belongs to neither.
    """
    half = len(cell) // 2
    if half < 1:
        return 0.0
    first, second = max(cell[half - 1] - cell[0], 1), max(cell[-1] - cell[-half], 1)
    return float(abs(np.log2(second / first)))
