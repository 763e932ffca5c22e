"""Descriptors of a single excerpt: repetition, simultaneous onsets, dynamics, tempo.

Each function takes one column of the excerpt's quantized notes: pitch (MIDI note numbers), onset_frame (10 ms frames,
non-decreasing) or velocity, shape (notes,).
"""

import numpy as np

ONSET_TOLERANCE_FRAMES = 5
"""Tolerance in frames: onsets less than 50 ms apart count as simultaneous, as where mir_eval compares onsets."""

NGRAM_NOTES = 8
"""Length in notes of the sequences whose repetition `repeated_ngram_rate` counts."""


def repeated_note_rate(pitch: np.ndarray) -> float:
    """Return the fraction of the notes after the first that have the pitch of the previous note, 0 to 1."""
    return float((pitch[1:] == pitch[:-1]).mean()) if len(pitch) > 1 else 0.0


def max_note_repeat(pitch: np.ndarray) -> int:
    """Return the largest number of successive notes of the same pitch: 1 if none is repeated, 0 without notes."""
    if not len(pitch):
        return 0
    changes = np.flatnonzero(np.diff(pitch, prepend=-1, append=-1))
    return int(np.diff(changes).max())


def repeated_ngram_rate(pitch: np.ndarray) -> float:
    """Return the fraction of the sequences of `NGRAM_NOTES` pitches that have occurred before, 0 to 1.

    Real music repeats phrases. A model that repeats every phrase is stuck; one that repeats none has no memory.
    """
    if len(pitch) < NGRAM_NOTES:
        return 0.0
    ngrams = np.lib.stride_tricks.sliding_window_view(pitch, NGRAM_NOTES)
    return float(1 - len(np.unique(ngrams, axis=0)) / len(ngrams))


def same_onset_rate(onset_frame: np.ndarray) -> float:
    """Return the fraction of the notes after the first with the same onset frame as the previous note, 0 to 1."""
    return float((onset_frame[1:] == onset_frame[:-1]).mean()) if len(onset_frame) > 1 else 0.0


def max_onset_cluster(onset_frame: np.ndarray) -> float:
    """Return the largest fraction of the notes whose onsets are simultaneous, 0 to 1.

    Onsets are simultaneous if all lie within `ONSET_TOLERANCE_FRAMES` successive frames.
    """
    if not len(onset_frame):
        return 0.0
    cluster_ends = np.searchsorted(onset_frame, onset_frame + ONSET_TOLERANCE_FRAMES)
    return float((cluster_ends - np.arange(len(onset_frame))).max() / len(onset_frame))


def velocity_std(velocity: np.ndarray) -> float:
    """Return the standard deviation of the velocities, in MIDI units; 0 without notes."""
    return float(velocity.std()) if len(velocity) else 0.0


def tempo_drift(onset_frame: np.ndarray) -> float:
    """Return how much the density of notes changes between the halves of an excerpt, in octaves, >= 0.

    It is |log2(b / a)|, where a and b are the times from the first to the last onset of the first and of the second
    half of the notes: 0 if both halves take the same time, 1 if one takes twice as long. Times of 0 count as one
    frame; the middle one of an odd number of notes belongs to neither half. 0 for fewer than two notes.
    """
    half = len(onset_frame) // 2
    if half < 1:
        return 0.0
    first = max(onset_frame[half - 1] - onset_frame[0], 1)
    second = max(onset_frame[-1] - onset_frame[-half], 1)
    return float(abs(np.log2(second / first)))
