"""How close the samples come to real music.

Reads reports/samples/samples.json and notes.parquet, and data/reference. Of the samples only generated notes count, not
prompts and what stands around a gap; improvisations of which no file was made count too.

Writes
- reports/similarity.json: overlap of generated with test music and its ceiling, habits such as repeating notes, and
  runs copied from train, each beside the same figure for real excerpts of the same length. stages/metrics/comparison.py
  and statistics.py say what each figure means. A figure for which there is too little music is null.
- reports/distributions.csv: shares of notes by pitch, step, duration and velocity, generated, test and validation.
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from stages.metrics import comparison, copying, note_features
from stages.representation.note_table import read_notes
from stages.utils.atomic import atomic_file
from stages.utils.params import Params
from stages.utils.runner import run_stage

REFERENCE = Path("data/reference")
SAMPLES = Path("reports/samples")
SIMILARITY = Path("reports/similarity.json")
DISTRIBUTIONS = Path("reports/distributions.csv")


def main(params: Params) -> None:
    with tqdm(total=5, desc="compare", unit="step") as bar:
        played, filled = _generated()
        test, validation = (
            note_features.add_features(read_notes(REFERENCE / f"{split}.parquet")) for split in ("test", "validation")
        )
        sources = {"generated": pd.concat([played, filled]), "test": test, "validation": validation}
        with atomic_file(DISTRIBUTIONS) as part:
            note_features.feature_distributions(sources).to_csv(
                part, index=False, float_format="%.6g", lineterminator="\n"
            )
        bar.update()

        # A filling is too short to be compared with the rest; it is measured by fillings alone if there is no rest.
        played, filled = (played, filled) if len(played) else (filled, filled)
        length = comparison.excerpt_length(_sizes(played), _sizes(test))
        generated, real, known = (comparison.cut_excerpts(music, length) for music in (played, test, validation))
        fillings = [comparison.cut_excerpts(filling, len(filling)) for _, filling in filled.groupby("piece")]
        report = {
            "excerpts": {"notes": length, "generated": len(generated), "test": len(real), "validation": len(known)}
        }
        bar.update()
        report |= comparison.overlaps(
            generated, known, comparison.cut_excerpts(test, length, comparison.MAX_REFERENCE_EXCERPTS)
        )
        bar.update()
        report["habits"] = comparison.compare_descriptors(generated, real, fillings)
        bar.update()
        train = copying.read_pitch_sequences(REFERENCE / "melodies.parquet")
        report["copied_notes"] = comparison.copied_runs(generated, real, fillings, train)
        with atomic_file(SIMILARITY) as part:
            part.write_text(json.dumps(_rounded(report), indent=2, allow_nan=False) + "\n", encoding="utf-8")
        bar.update()


def _generated() -> tuple[pd.DataFrame, pd.DataFrame]:
    # The generated notes of improvisations and continuations, and those of fillings, described where they stand.
    about = json.loads((SAMPLES / "samples.json").read_text(encoding="utf-8"))
    notes = note_features.add_features(read_notes(SAMPLES / "notes.parquet"))
    notes = notes[notes["generated"]]
    filled = notes["piece"].isin([piece for piece, sample in enumerate(about) if sample["kind"] == "filling"])
    return notes[~filled], notes[filled]


def _sizes(music: pd.DataFrame) -> list[int]:
    return music.groupby("piece").size().tolist()


def _rounded(value: Any) -> Any:
    # Four digits are more than the figures' own spread, and few enough to be the same on every machine.
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return value if value is None else round(float(value), 4) if isinstance(value, float) else int(value)


if __name__ == "__main__":
    run_stage(main)
