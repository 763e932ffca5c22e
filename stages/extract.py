"""Reads data/raw; writes data/notes/{train,validation,test}.parquet, data/notes/pieces.parquet, reports/corpus.json.

reports/corpus.json sums the tables up, so that a change of data shows in `git diff` and `dvc metrics diff`: for each
split the number of pieces and notes, the hours they last and quantiles of the columns, times in seconds; and which
files could not be read, and why.
"""

import json
from contextlib import ExitStack, closing
from dataclasses import asdict
from pathlib import Path

import numpy as np
from tqdm import tqdm

from stages.datasets import splits
from stages.midi.midi_pool import read_midi_files
from stages.representation import note_table
from stages.utils.atomic import atomic_file
from stages.utils.errors import InputError
from stages.utils.params import Params
from stages.utils.runner import run_stage

RAW = Path("data/raw")
NOTES = Path("data/notes")
REPORT = Path("reports/corpus.json")

QUANTILES = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}
CELLS = {"step": 1e-4, "duration": 1e-4, "sustained": 1e-4, "pitch": 1, "velocity": 1}
"""How finely the quantiles are taken; times in s."""
LARGEST = 1_000_000
"""Cells; longer times, from 100 s, count as this."""


def main(params: Params) -> None:
    listed = splits.list_pieces(RAW, params.extract.validation_share, params.extract.test_share)
    pieces, unreadable, summaries = [], [], {split: _Summary() for split in splits.SPLITS}
    with closing(read_midi_files([RAW / piece.file for piece in listed])) as results, ExitStack() as tables:
        append = {
            split: tables.enter_context(note_table.notes_writer(NOTES / f"{split}.parquet")) for split in splits.SPLITS
        }
        for piece, result in zip(tqdm(listed, "reading MIDI", unit=" files"), results, strict=True):
            if isinstance(result, str):
                unreadable.append({"file": piece.file, "reason": result})
            else:
                append[piece.split](len(pieces), result)
                length = {
                    "notes": len(result["start"]),
                    "seconds": float((result["start"] + result["sustained"]).max()),
                }
                pieces.append({"piece": len(pieces), **asdict(piece), **length})
                summaries[piece.split].add(result, length["seconds"])
        _accept(pieces, unreadable, params.extract.bad_share)
    note_table.write_pieces(NOTES / "pieces.parquet", {name: [piece[name] for piece in pieces] for name in pieces[0]})

    report = {split: summary.report() for split, summary in summaries.items()}
    report |= {"contract": note_table.SCHEMA_VERSION, "unreadable": {"count": len(unreadable), "files": unreadable}}
    REPORT.parent.mkdir(exist_ok=True)
    with atomic_file(REPORT) as part:
        part.write_text(json.dumps(report, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def _accept(pieces: list[dict[str, object]], unreadable: list[dict[str, str]], bad_share: float) -> None:
    """Raise InputError if there is nothing to train on, or more than a share `bad_share` of the files is unreadable."""
    files = len(pieces) + len(unreadable)
    if not pieces or len(unreadable) > bad_share * files:
        first = "; ".join(f"{bad['file']}: {bad['reason']}" for bad in unreadable[:3])
        raise InputError(
            f"{RAW}: {len(unreadable)} of {files} MIDI files cannot be read, extract.bad_share = {bad_share}: {first}"
            f"{'; ...' if len(unreadable) > 3 else ''}; mend or remove them, or allow a larger share"
        )
    if not any(piece["split"] == "train" for piece in pieces):
        raise InputError(f"{RAW}: none of the {len(pieces)} readable pieces is for training; add files")


class _Summary:
    """Of one split: sizes and quantiles. Counts values, for the notes may be more than memory holds."""

    def __init__(self) -> None:
        self.pieces, self.seconds = 0, 0.0
        self.counts = {name: np.zeros(0, np.int64) for name in CELLS}
        self.waiting: list[note_table.Columns] = []  # to be counted; many at a time, as every count goes over all cells

    def add(self, columns: note_table.Columns, seconds: float) -> None:
        self.pieces += 1
        self.seconds += seconds
        self.waiting.append(columns)
        if sum(len(columns["pitch"]) for columns in self.waiting) >= note_table.ROW_GROUP_SIZE:
            self._count()

    def _count(self) -> None:
        for name, cell in CELLS.items():
            values = np.concatenate([np.zeros(0, np.float32), *(columns[name] for columns in self.waiting)])
            counts = np.bincount(np.minimum(values / cell + 0.5, LARGEST).astype(np.int64))
            shorter, longer = sorted([counts, self.counts[name]], key=len)
            longer[: len(shorter)] += shorter
            self.counts[name] = longer
        self.waiting.clear()

    def report(self) -> dict[str, object]:
        self._count()
        total = int(self.counts["pitch"].sum())
        report: dict[str, object] = {"pieces": self.pieces, "notes": total, "hours": round(self.seconds / 3600, 4)}
        for name, cell in CELLS.items():
            # A quantile is the smallest value that no more than its share of the notes lie below.
            reached = np.cumsum(self.counts[name])
            cells = {key: int(np.searchsorted(reached, share * total)) for key, share in QUANTILES.items()}
            report[name] = {key: round(value * cell, 4) for key, value in cells.items()} if total else {}
        return report


if __name__ == "__main__":
    run_stage(main)
