"""Take prompts, and music with gaps to infill, from the excerpts of test music in data/excerpts."""

from dataclasses import dataclass

import numpy as np

from stages.representation.grid_encoding import encode
from stages.representation.note_table import read_notes, read_pieces
from stages.utils import paths
from stages.utils.errors import InputError


@dataclass(frozen=True)
class Excerpt:
    """Real music that a sample is made from.

    Attributes:
        title: title of the piece; "" where unknown.
        composer: its composer; "" where unknown.
        fields: the notes on the grid, int32, shape (notes, 4).
    """

    title: str
    composer: str
    fields: np.ndarray


def take_prompts(count: int, prompt_notes: int) -> list[Excerpt]:
    """Return the prompts of continuations: the middles of excerpts, evenly spaced over the test split.

    Args:
        count: how many, generate.continuations.
        prompt_notes: notes of each, generate.prompt_notes.

    Raises:
        InputError: there is no test music, or no excerpt of it is long enough.
    """
    return _take_excerpts(count, prompt_notes, "continuations")


def take_originals(count: int, prompt_notes: int, gap_notes: int) -> list[Excerpt]:
    """Return music to infill: the notes before each gap, in it, and after it. Taken as prompts are.

    Args:
        count: how many, generate.infills.
        prompt_notes: notes on either side of the gap, generate.prompt_notes.
        gap_notes: notes in it, generate.gap_notes.

    Raises:
        InputError: as for prompts.
    """
    return _take_excerpts(count, 2 * prompt_notes + gap_notes, "infills")


def _take_excerpts(count: int, num_notes: int, kind: str) -> list[Excerpt]:
    # `kind` is the key of the section `generate` that asks for them.
    notes = read_notes(paths.EXCERPTS / "test.parquet")
    pieces = read_pieces(paths.EXCERPTS / "pieces.parquet")
    groups = list(notes.groupby("piece"))
    long_enough = [(number, encode(piece)) for number, piece in groups if len(piece) > num_notes]
    if count and notes.empty:
        raise InputError(
            f"generate.{kind} = {count}: there is no test music to take them from; add files, or raise"
            f" extract.test_fraction, or set generate.{kind} to 0"
        )
    if count and not long_enough:
        longest = max(len(piece) for _, piece in groups)
        raise InputError(
            f"generate.{kind} = {count}: they are taken from more than {num_notes} notes of test music, and its longest"
            f" excerpt has {longest}; lower generate.prompt_notes, or add longer pieces, or set generate.{kind} to 0"
        )
    excerpts = []
    for index in range(count):
        number, fields = long_enough[(2 * index + 1) * len(long_enough) // (2 * count)]
        first = len(fields) // 2 - num_notes // 2
        piece = pieces.loc[number]
        excerpts.append(Excerpt(piece["title"], piece["composer"], fields[first : first + num_notes]))
    return excerpts
