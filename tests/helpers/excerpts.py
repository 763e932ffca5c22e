"""Excerpts of test music, as the stage excerpt writes them, from random notes."""

import numpy as np
import pandas as pd

from stages.representation.grid_encoding import STEP, decode
from stages.representation.note_table import PIECE_SCHEMA, write_notes, write_pieces
from stages.utils import paths
from tests.helpers.made_up_notes import random_fields


def distinct_fields(seed: int, notes: int) -> np.ndarray:
    """Return notes on the grid, no two of one pitch at one onset."""
    fields = random_fields(seed, notes)
    fields[1:, STEP] += 1
    return fields


def write_excerpts(*excerpts: np.ndarray) -> None:
    """Write excerpts of test music to data/excerpts."""
    tables = [decode(fields).assign(piece=np.int32(piece)) for piece, fields in enumerate(excerpts)]
    notes = pd.concat(tables, ignore_index=True) if tables else decode(np.zeros((0, 4), np.int32)).assign(piece=0)
    write_notes(paths.EXCERPTS / "test.parquet", notes)
    rows = [
        [piece, "test", f"Composer {piece}", f"Title {piece}", 0, f"{piece}.mid", len(fields), 9.0]
        for piece, fields in enumerate(excerpts)
    ]
    write_pieces(paths.EXCERPTS / "pieces.parquet", pd.DataFrame(rows, columns=PIECE_SCHEMA.names))
