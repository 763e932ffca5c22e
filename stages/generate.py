"""Generate samples: models/bilstm.keras and excerpts of test music -> reports/samples and reports/sample_nll.csv.

`stages.samples.sample_set` says what is in reports/samples. The order of the samples: improvisations, continuations,
then each infill followed by its original; after them the improvisations that only the metrics use.

sample_nll.csv has the negative log-likelihood that the network gives to the improvisations and, side by side, to test
excerpts of the same length, in nats per note, of `total` and of each field. Both are scored without any notes before
them. Where the two are far apart, sampling does not draw from what was learned. Music that does not exist is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stages.generation.prompts import Excerpt, take_originals, take_prompts
from stages.generation.sampling_config import SamplingConfig
from stages.params.generate import GenerateParams
from stages.representation.grid_encoding import FRAME_SECONDS, STEP, decode, encode
from stages.representation.note_table import end_at_next_onset, read_notes, sort_notes
from stages.samples.sample_set import Region, Sample
from stages.samples.sample_writer import write_samples
from stages.utils import paths
from stages.utils.csv_io import write_csv
from stages.utils.json_io import DIGITS
from stages.utils.keras_setup import import_keras
from stages.utils.runner import run_stage

if TYPE_CHECKING:
    from stages.model.bilstm import BiLSTM

SAMPLE_NLL = paths.REPORTS / "sample_nll.csv"

LEAD_IN_SECONDS = 0.5
"""Silence before the first note of a sample."""

NO_NOTES = np.zeros((0, 4), np.int32)
"""No notes on the grid."""


@dataclass(frozen=True)
class SampleParts:
    """The notes of a sample on the grid, int32, shape (notes, 4) each.

    Attributes:
        past: the real music before the middle.
        middle: the generated notes, or in an original those that the infill replaces.
        future: the real music after the middle.
    """

    past: np.ndarray
    middle: np.ndarray
    future: np.ndarray


LabeledSample = tuple[Sample, pd.DataFrame]
"""A sample and its notes: a note table without `piece`, with the column `generated`."""


def main(generate: GenerateParams) -> None:
    """Generate improvisations, continuations and infills, and write them with the originals of the infills."""
    import_keras()
    from stages.model.serialization import load_model

    network = load_model(paths.MODEL)
    prompts = take_prompts(generate.continuations, generate.prompt_notes)
    originals = take_originals(generate.infills, generate.prompt_notes, generate.gap_notes)

    # One batch of all of them is faster than three.
    starts = [NO_NOTES] * generate.improvisations + [prompt.fields for prompt in prompts]
    generated = _generate_continuations(network, starts + [NO_NOTES] * generate.metrics_only_improvisations, generate)
    improvisations = generated[: generate.improvisations]
    continuations = generated[generate.improvisations : len(starts)]
    infills = _generate_infills(network, originals, generate)

    samples = [
        make_sample("improvisation", number, SampleParts(NO_NOTES, fields, NO_NOTES))
        for number, fields in enumerate(improvisations, start=1)
    ]
    for number, (prompt, fields) in enumerate(zip(prompts, continuations, strict=True), start=1):
        samples.append(make_sample("continuation", number, SampleParts(prompt.fields, fields, NO_NOTES), prompt))
    for number, (original, fields) in enumerate(zip(originals, infills, strict=True), start=1):
        samples += _infill_and_original(number, original, fields, generate.prompt_notes)
    metrics_only = [
        sample_notes("improvisation", SampleParts(NO_NOTES, fields, NO_NOTES)) for fields in generated[len(starts) :]
    ]
    write_samples(paths.SAMPLES, samples, metrics_only)
    write_csv(SAMPLE_NLL, score_improvisations(network, improvisations + generated[len(starts) :], generate))


def score_improvisations(
    network: BiLSTM, improvisations: Sequence[np.ndarray], generate: GenerateParams
) -> pd.DataFrame:
    """Return the negative log-likelihood of improvisations and of test excerpts, in nats per note.

    Args:
        network: what generated the improvisations.
        improvisations: their notes on the grid, int32, shape (notes, 4).
        generate: excerpts are cut to `sample_notes`.

    Returns:
        The columns music (generated, test), note_field (total, step, ...) and nll.
    """
    from stages.model.likelihood import make_scorer

    notes = read_notes(paths.EXCERPTS / "test.parquet")
    excerpts = [encode(excerpt)[: generate.sample_notes] for _, excerpt in notes.groupby("piece")]
    score = make_scorer(network)
    rows = [
        (music, field, nll)
        for music, pieces in {"generated": improvisations, "test": excerpts}.items()
        if pieces
        for field, nll in score(pieces).mean().items()
    ]
    return pd.DataFrame(rows, columns=["music", "note_field", "nll"]).round({"nll": DIGITS})


def make_sample(kind: str, number: int, parts: SampleParts, excerpt: Excerpt | None = None) -> LabeledSample:
    """Make a sample.

    Args:
        kind: one of `sample_set.KINDS`.
        number: its number within its kind, from 1.
        parts: its notes.
        excerpt: the real music that it is made from, if any.
    """
    table = sample_notes(kind, parts)
    sample = Sample(
        name=f"{kind}-{number}",
        kind=kind,
        title=excerpt.title if excerpt else "",
        composer=excerpt.composer if excerpt else "",
        seconds=round(float((table["start"] + table["sounding_duration"]).max()), 2),
        notes=len(table),
        regions=_regions(kind, parts),
    )
    return sample, table


def sample_notes(kind: str, parts: SampleParts) -> pd.DataFrame:
    """Return the notes of a sample: a note table without `piece`, with the column `generated`."""
    table = _decode(parts)
    first, end = len(parts.past), len(parts.past) + len(parts.middle)
    table["generated"] = (table.index >= first) & (table.index < end) & (kind != "original")
    # Real music may have two notes of one pitch in a frame.
    return end_at_next_onset(sort_notes(table.drop_duplicates(["start", "pitch"])))


def _generate_continuations(
    network: BiLSTM, prompts: Sequence[np.ndarray], generate: GenerateParams
) -> list[np.ndarray]:
    from stages.generation.continuation import ContinuationRequest, generate_continuations

    request, config = ContinuationRequest(prompts, generate.sample_notes), SamplingConfig.from_params(generate)
    return generate_continuations(network, request, generate.seed, config, "continuations")


def _generate_infills(network: BiLSTM, originals: Sequence[Excerpt], generate: GenerateParams) -> list[np.ndarray]:
    from stages.generation.infill import Gap, InfillRequest, generate_infills

    last_of_past, first_of_future = generate.prompt_notes - 1, generate.prompt_notes + generate.gap_notes
    gaps = []
    for original in originals:
        onset = np.cumsum(original.fields[:, STEP])
        frames_to_future = max(1, int(onset[first_of_future] - onset[last_of_past]))  # 0 within a chord
        past, future = original.fields[: last_of_past + 1], original.fields[first_of_future:]
        gaps.append(Gap(past, future, frames_to_future))
    request, config = InfillRequest(gaps, generate.gap_notes), SamplingConfig.from_params(generate)
    return generate_infills(network, request, generate.seed, config, "infills")


def _infill_and_original(
    number: int, original: Excerpt, infill: np.ndarray, prompt_notes: int
) -> tuple[LabeledSample, LabeledSample]:
    past, future = original.fields[:prompt_notes], original.fields[-prompt_notes:]
    replaced = original.fields[prompt_notes:-prompt_notes]
    # The future keeps its onsets: the part of the gap after the infill's last onset is the first step of the future.
    frames_to_future = future[0, STEP] + replaced[:, STEP].sum()
    moved = future.copy()
    moved[0, STEP] = frames_to_future - infill[:, STEP].sum()
    return (
        make_sample("infill", number, SampleParts(past, infill, moved), original),
        make_sample("original", number, SampleParts(past, replaced, future), original),
    )


def _decode(parts: SampleParts) -> pd.DataFrame:
    fields = np.concatenate([parts.past, parts.middle, parts.future])
    return decode(fields, LEAD_IN_SECONDS - fields[0, STEP] * FRAME_SECONDS)


def _regions(kind: str, parts: SampleParts) -> tuple[Region, ...]:
    onset = _decode(parts)["start"]
    first, end = len(parts.past), len(parts.past) + len(parts.middle)
    if kind == "continuation":
        return (Region("prompt", LEAD_IN_SECONDS, round(float(onset[first]), 2)),)
    if kind in ("infill", "original"):
        return (Region("infill", round(float(onset[first]), 2), round(float(onset[end]), 2)),)
    return ()


if __name__ == "__main__":
    run_stage(main, generate=GenerateParams)
