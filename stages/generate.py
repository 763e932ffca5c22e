"""Play: models/bilstm.keras and prompts from data/reference -> reports/samples.

Every sample as MIDI, a note table of them all, and samples.json, which says what they are. The note table holds the
samples in the order of samples.json, then the improvisations that are only measured.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from stages.midi import midi_io
from stages.representation.grid_encoding import FRAME_SECONDS, STEP, decode, encode
from stages.representation.note_table import read_notes, read_pieces, sort_notes, write_notes
from stages.utils.atomic import atomic_directory
from stages.utils.errors import InputError
from stages.utils.params import Params
from stages.utils.runner import run_stage

MODEL, REFERENCE = Path("models/bilstm.keras"), Path("data/reference")
SAMPLES = Path("reports/samples")
LEAD = 0.5  # seconds of silence before a sample's first note


def main(params: Params) -> None:
    """Improvise, go on from prompts, and fill gaps, each beside the true version."""
    from stages.generation import sampler
    from stages.model import serialization

    network = serialization.load_model(MODEL)
    taste = sampler.SamplingConfig(
        params.generate.temperature, params.generate.top_p, params.generate.min_p, params.generate.steadiness
    )
    seed, improvised = params.generate.seed, params.generate.improvisations
    notes, prompt_notes, gap_notes = params.generate.notes, params.generate.prompt_notes, params.generate.gap_notes
    prompts = _excerpts(params.generate.continuations, prompt_notes)
    gaps = _excerpts(params.generate.fillings, 2 * prompt_notes + gap_notes)
    after = prompt_notes + gap_notes

    nothing = np.zeros((0, 4), np.int32)
    shown = improvised + len(prompts)
    starts = [nothing] * improvised + [fields for _, fields in prompts] + [nothing] * params.generate.measured
    played = sampler.generate_continuations(network, starts, notes, seed, taste, "play")
    played = sampler.revise(network, starts, played, params.generate.revisions, seed, taste, "revise")
    filled = sampler.generate_infills(
        network,
        [fields[:prompt_notes] for _, fields in gaps],
        [fields[after:] for _, fields in gaps],
        gap_notes,
        [int(fields[prompt_notes : after + 1, STEP].sum()) for _, fields in gaps],
        seed,
        taste,
        "fill",
    )

    samples = []
    for number, fields in enumerate(played[:improvised], start=1):
        samples.append(_sample("improvisation", number, None, nothing, fields, nothing))
    for number, ((piece, prompt), fields) in enumerate(zip(prompts, played[improvised:shown], strict=True), start=1):
        samples.append(_sample("continuation", number, piece, prompt, fields, nothing))
    for number, ((piece, true), fields) in enumerate(zip(gaps, filled, strict=True), start=1):
        future = true[after:].copy()
        # The future stays where it was: what the filling left of the gap comes before it.
        future[0, STEP] = true[prompt_notes : after + 1, STEP].sum() - fields[:, STEP].sum()
        samples.append(_sample("filling", number, piece, true[:prompt_notes], fields, future))
        samples.append(_sample("original", number, piece, true[:prompt_notes], true[prompt_notes:after], true[after:]))

    measured = [
        _sample("measured", number, None, nothing, fields, nothing)
        for number, fields in enumerate(played[shown:], start=1)
    ]

    # An empty table first, so that there is one without samples too.
    tables = [decode(nothing).assign(generated=False, piece=np.int32(0))]
    tables += [table.assign(piece=np.int32(number)) for number, (_, table) in enumerate(samples + measured)]
    about = json.dumps([about for about, _ in samples], indent=2, ensure_ascii=False)
    with atomic_directory(SAMPLES) as folder:
        for described, table in samples:
            midi_io.write_midi(table, folder / f"{described['name']}.mid")
        write_notes(folder / "notes.parquet", pd.concat(tables, ignore_index=True))
        (folder / "samples.json").write_text(about + "\n", encoding="utf-8")


def _excerpts(count: int, notes: int) -> list[tuple[pd.Series, np.ndarray]]:
    # The middles of `count` stretches of test music, spread evenly over the split.
    table, pieces = read_notes(REFERENCE / "test.parquet"), read_pieces(REFERENCE / "pieces.parquet")
    long_enough = [(piece, encode(group)) for piece, group in table.groupby("piece") if len(group) > notes]
    if count and table.empty:
        raise InputError(
            f"{REFERENCE}: there is no test music to take prompts and gaps from; add files or raise extract.test_share,"
            " or set generate.continuations and generate.fillings to 0"
        )
    if count and not long_enough:
        raise InputError(
            f"{REFERENCE}: no stretch of test music has more than {notes} notes, as prompts and gaps need; lower "
            "generate.prompt_notes, or raise reference.notes"
        )
    chosen = [long_enough[(2 * i + 1) * len(long_enough) // (2 * count)] for i in range(count)]
    return [(pieces.loc[piece], fields[len(fields) // 2 - notes // 2 :][:notes]) for piece, fields in chosen]


def _sample(kind: str, number: int, piece: pd.Series | None, past: np.ndarray, new: np.ndarray, future: np.ndarray):
    fields = np.concatenate([past, new, future])
    table = decode(fields, LEAD - fields[0, STEP] * FRAME_SECONDS)
    first, last = len(past), len(past) + len(new)
    table["generated"] = (table.index >= first) & (table.index < last) & (kind != "original")
    regions = []
    if kind == "continuation":
        regions = [{"kind": "prompt", "start": LEAD, "end": float(table["start"][first])}]
    elif kind in ("filling", "original"):
        regions = [{"kind": "filled", "start": float(table["start"][first]), "end": float(table["start"][last])}]
    # Real music may have one key twice in a cell.
    table = sort_notes(table.drop_duplicates(["start", "pitch"]))
    about = {
        "name": f"{kind}-{number}",
        "kind": kind,
        "title": "" if piece is None else piece["title"],
        "composer": "" if piece is None else piece["composer"],
        "seconds": round(float((table["start"] + table["sustained"]).max()), 2),
        "notes": len(table),
        "regions": [region | {side: round(region[side], 2) for side in ("start", "end")} for region in regions],
    }
    return about, table


if __name__ == "__main__":
    run_stage(main)
