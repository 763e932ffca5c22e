"""Cut excerpts out of the real music: data/notes -> data/excerpts.

`generate` takes its prompts from them and `compare` measures generated music by them, so that both run without the
data set. The folder holds
- test.parquet and validation.parquet: note tables of excerpts, evenly spaced over the split, each a piece of its own;
- pieces.parquet: the pieces table of both, which names the music that each excerpt comes from;
- pitch_sequences.parquet: the pitches of all training music, for finding copied runs.
"""

import numpy as np
import pandas as pd
from tqdm import tqdm

from stages.metrics import copying, note_features
from stages.metrics.excerpts import take_excerpts
from stages.params.excerpt import ExcerptParams
from stages.representation.note_table import NOTE_SCHEMA, read_pieces, write_notes, write_pieces
from stages.representation.stored_notes import StoredNotes
from stages.utils import paths
from stages.utils.atomic import atomic_directory
from stages.utils.runner import run_stage


def main(excerpt: ExcerptParams) -> None:
    """Write the excerpts of test and validation, and the pitch sequences of train."""
    pieces = read_pieces(paths.NOTES / "pieces.parquet")
    with atomic_directory(paths.EXCERPTS) as folder:
        piece_tables: list[pd.DataFrame] = []
        for split in ("test", "validation"):
            excerpts, source_pieces = take_excerpts(_find_notes(split), excerpt.max_excerpts, excerpt.excerpt_notes)
            first = sum(map(len, piece_tables))
            numbers = np.arange(first, first + len(source_pieces))
            piece_tables.append(_describe(excerpts, pieces.iloc[source_pieces]).assign(piece=numbers))
            write_notes(folder / f"{split}.parquet", excerpts.assign(piece=excerpts["piece"] + np.int32(first)))
        write_pieces(folder / "pieces.parquet", pd.concat(piece_tables).astype({"piece": np.int32}))
        copying.write_pitch_sequences(folder / "pitch_sequences.parquet", _read_pitch_sequences())


def _find_notes(split: str) -> StoredNotes:
    columns = [name for name in NOTE_SCHEMA.names if name != "piece"]
    return StoredNotes(paths.NOTES / f"{split}.parquet", columns=columns)


def _read_pitch_sequences() -> list[np.ndarray]:
    notes = _find_notes("train")
    sequences: list[np.ndarray] = []
    for piece in tqdm(notes.num_notes, "excerpt", unit=" pieces"):
        sequences += copying.pitch_sequences(note_features.quantize(notes.read(piece).assign(piece=piece)))
    return sequences


def _describe(excerpts: pd.DataFrame, source_pieces: pd.DataFrame) -> pd.DataFrame:
    # The rows of the pieces table that the excerpts come from, with the excerpts' own number of notes and length.
    by_piece = excerpts.assign(end=excerpts["start"] + excerpts["sounding_duration"]).groupby("piece")
    return source_pieces.assign(
        notes=by_piece.size().to_numpy(np.int32), seconds=by_piece["end"].max().to_numpy(np.float64)
    )


if __name__ == "__main__":
    run_stage(main, excerpt=ExcerptParams)
