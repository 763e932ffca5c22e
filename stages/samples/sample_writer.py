"""Writing the folder of generated samples; `sample_set` says what is in it and reads it.

A module of its own, since only this needs to write MIDI files.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from stages.midi.midi_io import write_midi
from stages.representation.note_table import NOTE_SCHEMA, write_notes
from stages.samples.sample_set import Sample
from stages.utils.atomic import atomic_directory
from stages.utils.json_io import write_json


def write_samples(
    folder: Path, samples: Sequence[tuple[Sample, pd.DataFrame]], metrics_only: Sequence[pd.DataFrame]
) -> None:
    """Write the samples to a folder, in place of whatever it holds.

    Args:
        folder: the folder; it appears as a whole, or after an error not at all.
        samples: each sample with its notes, a note table without `piece` and with the column `generated`.
        metrics_only: the notes of further improvisations, in the same form, of which no file is made.
    """
    tables = [table for _, table in samples] + list(metrics_only)
    numbered = [table.assign(piece=np.int32(number)) for number, table in enumerate(tables)]
    notes = pd.concat(numbered, ignore_index=True) if numbered else _no_notes()
    with atomic_directory(folder) as part:
        for sample, table in samples:
            write_midi(table, part / f"{sample.name}.mid")
        write_notes(part / "notes.parquet", notes)
        write_json(part / "samples.json", [asdict(sample) for sample, _ in samples])


def _no_notes() -> pd.DataFrame:
    return NOTE_SCHEMA.empty_table().to_pandas().assign(generated=np.zeros(0, np.bool_))
