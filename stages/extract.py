"""Read every MIDI file into the note table of its split.

Reads data/raw. Writes data/notes/{train,validation,test}.parquet and data/notes/pieces.parquet, and reports about them:

- reports/corpus.json: number of pieces and notes of all splits together.
- reports/splits.csv: number of pieces, notes and hours of each split.
- reports/quantiles.csv: quantiles of the note tables' columns for each split, times in seconds.
- reports/unreadable.csv: the files that could not be read, and why; also when the stage fails because of them.
"""

from array import array
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, fields
from pathlib import Path

from tqdm import tqdm

from stages.datasets.corpus_summary import SplitSummary
from stages.datasets.splits import SPLITS, Piece, list_pieces
from stages.midi.midi_pool import read_midi_files
from stages.params.extract import ExtractParams
from stages.representation.note_table import Columns, notes_writer, write_pieces
from stages.utils import paths
from stages.utils.csv_io import write_csv
from stages.utils.errors import InputError
from stages.utils.json_io import write_json
from stages.utils.runner import run_stage

UNREADABLE = paths.REPORTS / "unreadable.csv"

MAX_NAMED_FILES = 3
"""Unreadable files that an error message names."""


@dataclass
class _Corpus:
    """What is known of the files read so far: some 20 bytes for each piece beside what lists it."""

    pieces: list[Piece] = field(default_factory=list)  # rows of the pieces table, in order, with the two next
    notes: array = field(default_factory=lambda: array("l"))
    seconds: array = field(default_factory=lambda: array("d"))
    unreadable: list[tuple[str, str]] = field(default_factory=list)  # file and reason
    summaries: dict[str, SplitSummary] = field(default_factory=lambda: {split: SplitSummary() for split in SPLITS})

    def add_piece(self, piece: Piece, columns: Columns) -> int:
        """Add a readable file and return its number in the pieces table."""
        seconds = float((columns["start"] + columns["sounding_duration"]).max())
        self.pieces.append(piece)
        self.notes.append(len(columns["start"]))
        self.seconds.append(seconds)
        self.summaries[piece.split].add(columns, seconds)
        return len(self.pieces) - 1

    def table(self) -> dict[str, Sequence]:
        """Return the columns of the pieces table."""
        names = [column.name for column in fields(Piece)]
        columns = {name: [getattr(piece, name) for piece in self.pieces] for name in names}
        return {"piece": range(len(self.pieces)), **columns, "notes": self.notes, "seconds": self.seconds}


def main(extract: ExtractParams) -> None:
    """Write the tables and reports, unless too many files cannot be read."""
    listed = list_pieces(paths.RAW, extract.validation_fraction, extract.test_fraction)
    corpus = _Corpus()
    with ExitStack() as tables:  # after an error inside it, no table appears
        append = {split: tables.enter_context(notes_writer(paths.NOTES / f"{split}.parquet")) for split in SPLITS}
        _read_files(listed, append, corpus)
        # Written also where the stage fails, for its message names only a few files.
        _write_rows(UNREADABLE, ("file", "reason"), corpus.unreadable)
        _check_readable(corpus, extract.max_unreadable_fraction)
    write_pieces(paths.NOTES / "pieces.parquet", corpus.table())
    _write_reports(corpus)


def _read_files(listed: list[Piece], append: dict[str, Callable[[int, Columns], None]], corpus: _Corpus) -> None:
    with closing(read_midi_files(paths.RAW / piece.file for piece in listed)) as results:
        for piece, result in zip(tqdm(listed, "reading MIDI", unit=" files"), results, strict=True):
            if isinstance(result, str):
                corpus.unreadable.append((piece.file, result))
            else:
                append[piece.split](corpus.add_piece(piece, result), result)


def _check_readable(corpus: _Corpus, max_unreadable_fraction: float) -> None:
    """Raise InputError if no piece is for training or too many files are unreadable."""
    unreadable, total = len(corpus.unreadable), len(corpus.pieces) + len(corpus.unreadable)
    if not corpus.pieces or unreadable > max_unreadable_fraction * total:
        named = [f"{file}: {reason}" for file, reason in corpus.unreadable[:MAX_NAMED_FILES]]
        named += ["..."] if unreadable > MAX_NAMED_FILES else []
        raise InputError(
            f"{paths.RAW}: {unreadable} of {total} MIDI files cannot be read,"
            f" extract.max_unreadable_fraction = {max_unreadable_fraction}: {'; '.join(named)};"
            f" repair or remove them, or raise the fraction; {UNREADABLE} lists all of them"
        )
    if not corpus.summaries["train"].pieces:
        raise InputError(f"{paths.RAW}: none of the {len(corpus.pieces)} readable pieces is for training; add files")


def _write_reports(corpus: _Corpus) -> None:
    summaries = corpus.summaries
    sizes = {"pieces": len(corpus.pieces), "notes": sum(summary.notes for summary in summaries.values())}
    write_json(paths.REPORTS / "corpus.json", sizes)
    write_csv(
        paths.REPORTS / "splits.csv",
        {
            "split": list(summaries),
            "pieces": [summary.pieces for summary in summaries.values()],
            "notes": [summary.notes for summary in summaries.values()],
            "hours": [summary.seconds / 3600 for summary in summaries.values()],
        },
    )
    quantiles = [
        (split, feature, quantile, value)
        for split, summary in summaries.items()
        for feature, values in summary.quantiles().items()
        for quantile, value in values.items()
    ]
    _write_rows(paths.REPORTS / "quantiles.csv", ("split", "feature", "quantile", "value"), quantiles)


def _write_rows(path: Path, header: tuple[str, ...], rows: Sequence[tuple[str | float, ...]]) -> None:
    write_csv(path, {name: [row[column] for row in rows] for column, name in enumerate(header)})


if __name__ == "__main__":
    run_stage(main, extract=ExtractParams)
