"""Compare the samples with real music: reports/samples and data/excerpts -> reports.

Of the samples, only generated notes count: not prompts, and not the music around an infill. Improvisations that were
made for the metrics alone count too. stages/metrics/comparison.py says what each measure means. Writes

- overlap.json, the DVC metrics: `overlap` of generated with test music (mean overlapped area), the `ceiling` that
  validation music reaches, and `copied`, the notes of the longest run that is also found in train (mean over excerpts);
  null where there is too little music;
- overlap.csv: overlap with test music for each feature, of generated and of validation music;
- descriptors.csv: descriptors of generated and of test excerpts, such as repeated notes and copied runs;
- distributions.csv: histograms of pitch, step, duration and velocity of generated, test and validation music.
"""

from dataclasses import dataclass

import pandas as pd
from tqdm import tqdm

from stages.metrics import comparison, copying
from stages.metrics.comparison import MAX_REFERENCE_EXCERPTS, Excerpts, cut_excerpts
from stages.metrics.note_features import add_features, feature_distributions
from stages.representation.note_table import read_notes
from stages.samples.sample_set import read_samples
from stages.utils import paths
from stages.utils.csv_io import write_csv
from stages.utils.json_io import DIGITS, write_json
from stages.utils.runner import run_stage

OVERLAP = paths.REPORTS / "overlap.json"
OVERLAP_TABLE = paths.REPORTS / "overlap.csv"
DESCRIPTORS = paths.REPORTS / "descriptors.csv"
DISTRIBUTIONS = paths.REPORTS / "distributions.csv"


@dataclass(frozen=True)
class _ExcerptSets:
    length: int  # notes of an excerpt
    generated: Excerpts
    infills: list[Excerpts]  # shorter than the others
    test: Excerpts
    validation: Excerpts
    reference: Excerpts  # the test excerpts that overlap is measured against


def main() -> None:
    """Write the reports on overlap, descriptors and distributions."""
    generated, infills = _read_generated()
    test = add_features(read_notes(paths.EXCERPTS / "test.parquet"))
    validation = add_features(read_notes(paths.EXCERPTS / "validation.parquet"))
    train = copying.read_pitch_sequences(paths.EXCERPTS / "pitch_sequences.parquet")
    with tqdm(total=4, desc="compare", unit="table") as bar:
        tables = {"generated": pd.concat([generated, infills]), "test": test, "validation": validation}
        write_csv(DISTRIBUTIONS, feature_distributions(tables))
        bar.update()
        sets = _cut(generated, infills, test, validation)
        overlap = comparison.overlap_table(sets.generated, sets.validation, sets.reference)
        bar.update()
        descriptors = comparison.descriptor_table(sets.generated, sets.test, sets.infills)
        bar.update()
        copied_runs = comparison.copied_run_table(sets.generated, sets.test, sets.infills, train)
        bar.update()
    write_csv(OVERLAP_TABLE, overlap.round({"value": DIGITS}))
    descriptors = pd.concat([descriptors, copied_runs, _set_sizes(sets)])
    write_csv(DESCRIPTORS, descriptors.round({"value": DIGITS}))
    write_json(OVERLAP, _metrics(overlap, copied_runs))


def _read_generated() -> tuple[pd.DataFrame, pd.DataFrame]:
    # The generated notes of improvisations and continuations, and those of infills. Features are computed before the
    # other notes are dropped, since those sound along with them.
    samples, notes = read_samples(paths.SAMPLES)
    notes = add_features(notes)
    notes = notes[notes["generated"]]
    is_infill = notes["piece"].isin([piece for piece, sample in enumerate(samples) if sample.kind == "infill"])
    return notes[~is_infill], notes[is_infill]


def _cut(generated: pd.DataFrame, infills: pd.DataFrame, test: pd.DataFrame, validation: pd.DataFrame) -> _ExcerptSets:
    # Infills are shorter than other samples. Only if there are no others do they set the length of an excerpt.
    if generated.empty:
        generated = infills
    length = comparison.excerpt_length(_notes_per_piece(generated), _notes_per_piece(test))
    return _ExcerptSets(
        length=length,
        generated=cut_excerpts(generated, length),
        infills=[cut_excerpts(infill, len(infill)) for _, infill in infills.groupby("piece")],
        test=cut_excerpts(test, length),
        validation=cut_excerpts(validation, length),
        reference=cut_excerpts(test, length, MAX_REFERENCE_EXCERPTS),
    )


def _notes_per_piece(music: pd.DataFrame) -> list[int]:
    return music.groupby("piece").size().tolist()


def _set_sizes(sets: _ExcerptSets) -> pd.DataFrame:
    rows = [
        ("excerpt_notes", "generated", sets.length),
        ("excerpt_notes", "test", sets.length),
        ("excerpts", "generated", len(sets.generated)),
        ("excerpts", "test", len(sets.test)),
    ]
    return pd.DataFrame(rows, columns=["descriptor", "music", "value"])


def _metrics(overlap: pd.DataFrame, copied_runs: pd.DataFrame) -> dict[str, float | None]:
    overlaps = overlap.set_index(["measure", "feature", "music"])["value"]
    runs = copied_runs.set_index(["descriptor", "music"])["value"]
    values = {
        "overlap": overlaps["overlapped_area", "mean", "generated"],
        "ceiling": overlaps["overlapped_area", "mean", "validation"],
        "copied": round(runs["mean_copied_run", "generated"], 2),
    }
    return {name: None if pd.isna(value) else value for name, value in values.items()}


if __name__ == "__main__":
    run_stage(main)
