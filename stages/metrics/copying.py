"""Melodies: music as a line of pitches, and how much of one line stands in others.

A table "on the grid" is one of `statistics.on_grid`.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from stages.utils.atomic import atomic_file
from stages.utils.errors import InputError

CHORD_FRAMES = 3
"""cells; onsets at most 30 ms apart are struck as one chord, whose order of notes is chance."""


def pitch_sequences(notes: pd.DataFrame) -> list[np.ndarray]:
    """The pitches of each piece of a table on the grid as one line: by onset, and from low to high within a chord.

    A chord is a sequence of notes each at most `CHORD` cells after the one before: how hands spread it is chance, and
    a copy that is stretched in time or rounded to the grid would otherwise hide behind another order.
    """
    piece, cell, pitch = (notes[name].to_numpy() for name in ("piece", "cell", "pitch"))
    if not len(piece):
        return []
    ends_piece = np.diff(piece) != 0
    begins = np.concatenate([[True], ends_piece | (np.diff(cell) > CHORD_FRAMES)])
    line = pitch[np.lexsort((pitch, np.cumsum(begins)))]
    return np.split(line, np.flatnonzero(ends_piece) + 1)


def longest_copied_runs(corpus: list[np.ndarray], excerpts: list[np.ndarray]) -> np.ndarray:
    """For each excerpt the most notes in a row that stand in the corpus as well, in whatever key.

    Pieces and excerpts are melodies, arrays of pitches. A run of n notes is a copy if its n - 1 successive intervals
    stand side by side in one piece of the corpus; rhythm is left out, so no change of tempo hides a copy. The result
    is exact: int64, shape (excerpts,), 1 where not even an interval is found, 0 for an excerpt without notes.

    Intervals of corpus and excerpts are ranked by prefix doubling (Manber and Myers, "Suffix arrays", SIAM Journal on
    Computing 22, 1993), up to the length at which no sequence of an excerpt is found any more. The longest match of a
    place in an excerpt is then with one of its two neighbours in this order, and the ranks at lengths 1, 2, 4, ...
    add up its length. O(n log n log m) for n notes in all and m notes in the longest copy.
    """
    text, owner = _intervals(corpus, excerpts)
    ranks = [np.unique(text, return_inverse=True)[1].astype(np.int32)]
    while True:
        rank = ranks[-1]
        in_corpus = np.zeros(len(text) + 1, bool)
        in_corpus[rank[owner < 0]] = True
        if not in_corpus[rank[owner >= 0]].any():
            break
        ranks.append(_doubled(rank, 2 ** (len(ranks) - 1)))
    places = np.flatnonzero(owner >= 0)
    matches = np.zeros(len(places), np.int64)
    for neighbour in _neighbours(ranks[-1], owner < 0, places):
        matches = np.maximum(matches, _common(ranks, places, neighbour))
    longest = np.zeros(len(excerpts), np.int64)
    np.maximum.at(longest, owner[places], matches)
    return longest + [len(excerpt) > 0 for excerpt in excerpts]


def _intervals(corpus: list[np.ndarray], excerpts: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    # All intervals in one text, and for each whose it is: -1 the corpus's, otherwise the excerpt's number. A sign that
    # occurs nowhere else ends each melody, so no match goes beyond.
    parts = [*corpus, *excerpts]
    sizes = [max(len(part), 1) for part in parts]
    text = np.empty(sum(sizes), np.int32)
    ends = np.cumsum(sizes, dtype=np.int64)
    for part, size, end in zip(parts, sizes, ends, strict=True):
        text[end - size : end - 1] = np.diff(part.astype(np.int32))
    text[ends - 1] = 1000 + np.arange(len(parts))
    owner = np.repeat(np.concatenate([np.full(len(corpus), -1), np.arange(len(excerpts))]), sizes)
    return text, owner.astype(np.int32)


def _doubled(rank: np.ndarray, length: int) -> np.ndarray:
    # Ranks of the sequences of twice `length` intervals from those of `length`.
    # The text's end needs no care: a sign that occurs once ranks apart from all others already.
    pair = rank.astype(np.int64) * len(rank)
    pair[:-length] += rank[length:]
    order = np.argsort(pair)
    pair = pair[order]
    rank = np.zeros(len(rank), np.int32)
    rank[order[1:]] = np.cumsum(pair[1:] != pair[:-1])
    return rank


def _neighbours(rank: np.ndarray, in_corpus: np.ndarray, places: np.ndarray) -> list[np.ndarray]:
    # The places in the corpus that come just before and just after each place in order of rank; -1 where none does.
    corpus = np.flatnonzero(in_corpus)
    corpus = corpus[np.argsort(rank[corpus])]
    after = np.searchsorted(rank[corpus], rank[places])
    padded = np.concatenate([[-1], corpus, [-1]])
    return [padded[after], padded[after + 1]]


def _common(ranks: list[np.ndarray], one: np.ndarray, other: np.ndarray) -> np.ndarray:
    # How many intervals the texts at `one` and `other` have in common; 0 where `other` is -1.
    length = np.zeros(len(one), np.int64)
    for level in reversed(range(len(ranks))):
        left, right = one + length, other + length
        inside = (other >= 0) & (np.maximum(left, right) < len(ranks[level]))
        same = np.zeros(len(one), bool)
        same[inside] = ranks[level][left[inside]] == ranks[level][right[inside]]
        length += same * 2**level
    return length


def write_pitch_sequences(path: Path, lines: list[np.ndarray]) -> None:
    """Write melodies to a parquet file of the columns piece (int32, counted from 0) and pitch (uint8), small."""
    pieces = np.repeat(np.arange(len(lines), dtype=np.int32), [len(line) for line in lines])
    pitches = np.concatenate([np.zeros(0, np.uint8), *lines]).astype(np.uint8)
    # All on one page and squeezed hard: whole pieces stand in MAESTRO several times, which a small page hides.
    page = {"data_page_size": 1 << 30, "max_rows_per_page": 1 << 30, "row_group_size": 1 << 30}
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as part:
        pq.write_table(
            pa.table({"piece": pieces, "pitch": pitches}),
            part,
            compression="zstd",
            compression_level=19,
            use_dictionary=["piece"],
            **page,
        )


def read_pitch_sequences(path: Path) -> list[np.ndarray]:
    """Read what `write_melodies` wrote. Raises InputError if there is no such file or it is of another make."""
    try:
        table = pq.read_table(path, columns=["piece", "pitch"])
    except FileNotFoundError:
        raise InputError(f"{path}: not found; `dvc repro` makes it, `dvc pull` fetches it") from None
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not a table of melodies ({reason}); delete it, run `dvc repro`") from None
    piece, pitch = (table[name].to_numpy() for name in ("piece", "pitch"))
    return np.split(pitch, np.flatnonzero(np.diff(piece)) + 1) if len(pitch) else []
