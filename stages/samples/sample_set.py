"""The folder of generated samples, reports/samples, as `generate` writes it and later stages read it.

- `<name>.mid`: each sample as a MIDI file;
- `samples.json`: what each sample is, a list of `Sample` in order;
- `notes.parquet`: the note table of all samples with the further column `generated` (bool): false for notes of real
  music, such as those of a prompt. Piece i is sample i of samples.json; the pieces beyond are improvisations of which
  no file is made, since only the metrics use them.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from stages.representation.note_table import read_notes
from stages.utils.errors import InputError
from stages.utils.json_io import read_json

KINDS = ("improvisation", "continuation", "infill", "original")
"""Sample kinds. An original is the same excerpt of real music as an infill, without a change."""

REGION_KINDS = ("prompt", "infill")
"""Region kinds. The region `infill` of an original holds the notes that the infill replaces."""


@dataclass(frozen=True)
class Region:
    """A marked part of a sample: the prompt of a continuation, or the infill.

    Attributes:
        kind: one of `REGION_KINDS`.
        start: beginning in s from the beginning of the sample.
        end: end in s.
    """

    kind: str
    start: float
    end: float


@dataclass(frozen=True)
class Sample:
    """What one sample is; its files are `<name>.mid` here and `<name>.mp3` in reports/audio.

    Attributes:
        name: `<kind>-<number>`; an original has the number of its infill.
        kind: one of `KINDS`.
        title: title of the real music in it; "" for an improvisation, or where unknown.
        composer: composer of the real music in it; "" for an improvisation, or where unknown.
        seconds: time until the last note has ended.
        notes: number of notes, those of real music included.
        regions: its marked parts, in order of time.
    """

    name: str
    kind: str
    title: str
    composer: str
    seconds: float
    notes: int
    regions: tuple[Region, ...]


def read_samples(folder: Path) -> tuple[list[Sample], pd.DataFrame]:
    """Read what `sample_writer.write_samples` wrote.

    Args:
        folder: the folder.

    Returns:
        The samples in order; and the note table with the column `generated`, piece i being sample i, the pieces beyond
        being those of metrics_only.

    Raises:
        InputError: a file is missing, unreadable, or of another version.
    """
    path = folder / "samples.json"
    try:
        samples = [_parse_sample(record) for record in read_json(path)]
    except (TypeError, KeyError):
        raise InputError(f"{path}: not a list of samples of this version; delete it, run `dvc repro`") from None
    return samples, read_notes(folder / "notes.parquet")


def _parse_sample(record: dict) -> Sample:
    regions = tuple(Region(**region) for region in record["regions"])
    return Sample(**record | {"regions": regions})
