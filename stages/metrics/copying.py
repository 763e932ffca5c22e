"""Music as sequences of pitches, and the longest runs that one sequence has in common with others.

A "quantized table" is what `note_features.quantize` returns.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from stages.representation.parquet_io import read_table, write_table

PITCH_SCHEMA = pa.schema([("piece", pa.int32()), ("pitch", pa.uint8())])

CHORD_FRAMES = 3
"""Largest distance in frames of successive onsets of one chord: 30 ms, within which the order of onsets is chance."""


def pitch_sequences(notes: pd.DataFrame) -> list[np.ndarray]:
    """Return the pitches of each piece in order of onset, and of pitch within a chord.

    A chord is a sequence of notes each at most `CHORD_FRAMES` after the previous one. The order of onsets within a
    chord is chance. If it counted, a copy that is stretched in time or rounded to frames would not be found.

    Args:
        notes: a quantized table.

    Returns:
        For each piece its pitches, MIDI note numbers, shape (notes,).
    """
    piece, onset_frame, pitch = (notes[name].to_numpy() for name in ("piece", "onset_frame", "pitch"))
    if not len(piece):
        return []
    ends_piece = np.diff(piece) != 0
    begins_chord = np.concatenate([[True], ends_piece | (np.diff(onset_frame) > CHORD_FRAMES)])
    ordered = pitch[np.lexsort((pitch, np.cumsum(begins_chord)))]
    return np.split(ordered, np.flatnonzero(ends_piece) + 1)


def longest_copied_runs(corpus: list[np.ndarray], excerpts: list[np.ndarray]) -> np.ndarray:
    """Return for each excerpt the length of its longest run of notes that also occurs in the corpus, in any key.

    A run of n notes is a copy if its n - 1 successive intervals also occur in succession in one piece of the corpus.
    Rhythm does not count, so no change of tempo hides a copy. The result is exact.

    The intervals of corpus and excerpts are ranked by prefix doubling (Manber and Myers, "Suffix arrays", SIAM Journal
    on Computing 22, 1993), up to the length at which no sequence of an excerpt occurs in the corpus any more. The
    longest match of a position in an excerpt is then with one of its two neighbours in this order, and the ranks at
    lengths 1, 2, 4, ... give its length. O(n log n log m) for n notes in all and m notes in the longest copy.

    Args:
        corpus: a pitch sequence for each piece, MIDI note numbers.
        excerpts: a pitch sequence for each excerpt.

    Returns:
        Notes, int64, shape (excerpts,): 1 if not even an interval is found, 0 for an excerpt without notes.
    """
    text, owner = _concatenate_intervals(corpus, excerpts)
    ranks = [np.unique(text, return_inverse=True)[1].astype(np.int32)]
    while True:
        rank = ranks[-1]
        in_corpus = np.zeros(len(text) + 1, bool)
        in_corpus[rank[owner < 0]] = True
        if not in_corpus[rank[owner >= 0]].any():
            break
        ranks.append(_double_length(rank, 2 ** (len(ranks) - 1)))
    positions = np.flatnonzero(owner >= 0)
    matches = np.zeros(len(positions), np.int64)
    for neighbour in _corpus_neighbours(ranks[-1], owner < 0, positions):
        matches = np.maximum(matches, _common_length(ranks, positions, neighbour))
    longest = np.zeros(len(excerpts), np.int64)
    np.maximum.at(longest, owner[positions], matches)
    return longest + [len(excerpt) > 0 for excerpt in excerpts]


def _concatenate_intervals(corpus: list[np.ndarray], excerpts: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    # All intervals in one text, and for each its owner: -1 for the corpus, otherwise the excerpt's number. Each
    # sequence ends with a symbol of its own, so no match goes beyond it.
    sequences = [*corpus, *excerpts]
    sizes = [max(len(sequence), 1) for sequence in sequences]
    text = np.empty(sum(sizes), np.int32)
    ends = np.cumsum(sizes, dtype=np.int64)
    for sequence, size, end in zip(sequences, sizes, ends, strict=True):
        text[end - size : end - 1] = np.diff(sequence.astype(np.int32))
    text[ends - 1] = 1000 + np.arange(len(sequences))
    owner = np.repeat(np.concatenate([np.full(len(corpus), -1), np.arange(len(excerpts))]), sizes)
    return text, owner.astype(np.int32)


def _double_length(rank: np.ndarray, length: int) -> np.ndarray:
    # Ranks of the sequences of twice `length` intervals, from the ranks of those of `length`.
    # Sequences that reach beyond the text's end are right already: they hold a symbol that occurs only once.
    pair = rank.astype(np.int64) * len(rank)
    pair[:-length] += rank[length:]
    order = np.argsort(pair)
    pair = pair[order]
    doubled = np.zeros(len(rank), np.int32)
    doubled[order[1:]] = np.cumsum(pair[1:] != pair[:-1])
    return doubled


def _corpus_neighbours(rank: np.ndarray, in_corpus: np.ndarray, positions: np.ndarray) -> list[np.ndarray]:
    # The corpus positions just before and just after each position in order of rank; -1 where there is none.
    corpus = np.flatnonzero(in_corpus)
    corpus = corpus[np.argsort(rank[corpus])]
    after = np.searchsorted(rank[corpus], rank[positions])
    padded = np.concatenate([[-1], corpus, [-1]])
    return [padded[after], padded[after + 1]]


def _common_length(ranks: list[np.ndarray], first: np.ndarray, second: np.ndarray) -> np.ndarray:
    # How many intervals from positions `first` and `second` on are equal; 0 where `second` is -1.
    length = np.zeros(len(first), np.int64)
    for level in reversed(range(len(ranks))):
        left, right = first + length, second + length
        inside = (second >= 0) & (np.maximum(left, right) < len(ranks[level]))
        equal = np.zeros(len(first), bool)
        equal[inside] = ranks[level][left[inside]] == ranks[level][right[inside]]
        length += equal * 2**level
    return length


def write_pitch_sequences(path: Path, sequences: list[np.ndarray]) -> None:
    """Write pitch sequences to a parquet file with the columns piece (int32, from 0) and pitch (uint8).

    Args:
        path: the file; its folder is made if need be.
        sequences: a pitch sequence for each piece.
    """
    pieces = np.repeat(np.arange(len(sequences), dtype=np.int32), [len(sequence) for sequence in sequences])
    pitches = np.concatenate([np.zeros(0, np.uint8), *sequences]).astype(np.uint8)
    # One page and strong compression: MAESTRO has several performances of the same pieces, which lie too far apart for
    # smaller pages to share.
    write_table(
        path,
        pa.table({"piece": pieces, "pitch": pitches}, schema=PITCH_SCHEMA),
        row_group_size=1 << 30,
        compression_level=19,
        use_dictionary=["piece"],
        data_page_size=1 << 30,
        max_rows_per_page=1 << 30,
    )


def read_pitch_sequences(path: Path) -> list[np.ndarray]:
    """Read what `write_pitch_sequences` wrote.

    Raises:
        InputError: the file is missing or not such a file.
    """
    table = read_table(path, PITCH_SCHEMA)
    piece, pitch = (table[name].to_numpy() for name in ("piece", "pitch"))
    return np.split(pitch, np.flatnonzero(np.diff(piece)) + 1) if len(pitch) else []
