"""Take a small part of the real music out: data/notes -> data/reference.

What generate takes its prompts from and compare measures by, so that both run where the data set is not:
- test.parquet and validation.parquet: note tables of stretches, evenly spread over the split, each a piece of its own;
- pieces.parquet: the pieces table of the two, where each stretch is from;
- melodies.parquet: the pitches of all of train, to look for copied runs in.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from stages.metrics import copying, note_features
from stages.metrics.excerpts import take_excerpts
from stages.representation.note_table import read_notes, read_pieces, write_notes, write_pieces
from stages.utils.atomic import atomic_directory
from stages.utils.params import Params
from stages.utils.runner import run_stage

NOTES, REFERENCE = Path("data/notes"), Path("data/reference")


def main(params: Params) -> None:
    pieces, tables = read_pieces(NOTES / "pieces.parquet"), []
    with tqdm(total=3, desc="reference", unit="file") as bar, atomic_directory(REFERENCE) as folder:
        for split in ("test", "validation"):
            taken, origin = take_excerpts(
                read_notes(NOTES / f"{split}.parquet"), params.reference.excerpts, params.reference.notes
            )
            first = sum(map(len, tables))
            tables.append(_described(taken, pieces.iloc[origin]).assign(piece=np.arange(first, first + len(origin))))
            write_notes(folder / f"{split}.parquet", taken.assign(piece=taken["piece"] + np.int32(first)))
            bar.update()
        write_pieces(folder / "pieces.parquet", pd.concat(tables).astype({"piece": np.int32}))
        lines = copying.pitch_sequences(note_features.quantize(read_notes(NOTES / "train.parquet")))
        copying.write_pitch_sequences(folder / "melodies.parquet", lines)
        bar.update()


def _described(taken: pd.DataFrame, pieces: pd.DataFrame) -> pd.DataFrame:
    stretches = taken.assign(end=taken["start"] + taken["sustained"]).groupby("piece")
    return pieces.assign(notes=stretches.size().to_numpy(np.int32), seconds=stretches["end"].max().to_numpy(np.float64))


if __name__ == "__main__":
    run_stage(main)
