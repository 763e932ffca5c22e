"""Play with a trained model: from nothing, on from a MIDI file, or in a gap of one. `python compose.py --help`"""

import math
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from stages.midi import midi_io, tempo_map
from stages.midi.midi_editor import MidiEditor
from stages.representation.grid_encoding import FRAME_SECONDS, STEP, decode, encode
from stages.utils.atomic import atomic_file
from stages.utils.errors import InputError

MODEL = Path("models/bilstm.keras")
RECALL = 1000  # notes of the past that are read before playing on; the network does not remember farther back
AHEAD = 256  # notes of the future that are read before filling a gap
DENSEST = 40  # notes a second, so that a piece ends even if it never comes to its last second
AROUND = 10.0  # s on either side of a gap that tell how many notes it needs
RATE, LOUDNESS = 44100, -20.0  # of sound: Hz, dB below full scale

app = typer.Typer(
    help="Piano music by a bidirectional LSTM: from nothing, on from your MIDI file, or in a gap of it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Input = Annotated[Path, typer.Argument(metavar="IN.mid", help="Any MIDI file; all its tracks but drums are read.")]


def _number(value: float) -> float:
    if not math.isfinite(value):
        raise typer.BadParameter(f"{value} is no number")
    return value


Seconds = Annotated[float, typer.Option(min=1, max=3600, callback=_number, help="How long to play.")]
Takes = Annotated[int, typer.Option(min=1, max=64, help="How many versions, each in a file of its own.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed plays the same notes.")]
Temperature = Annotated[float, typer.Option(min=0.05, max=3, callback=_number, help="Below 1 safer, above 1 bolder.")]
TopP = Annotated[
    float,
    typer.Option("--top-p", min=0.05, max=1, callback=_number, help="Share of probability that choices come from."),
]
MinP = Annotated[
    float,
    typer.Option(
        "--min-p",
        min=0,
        max=0.5,
        callback=_number,
        help="Least share of the likeliest key that a key needs.",
    ),
]
Audio = Annotated[bool, typer.Option("--audio", help="Write an MP3 beside each MIDI file.")]
Output = Annotated[Path | None, typer.Option("--out", help="File to write. Default: named after and beside the input.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite files.")]
Model = Annotated[Path, typer.Option(help="A trained model.")]


@app.command()
def improvise(
    seconds: Seconds = 30,
    takes: Takes = 1,
    seed: Seed = 1,
    temperature: Temperature = 1.0,
    top_p: TopP = 0.98,
    min_p: MinP = 0.05,
    audio: Audio = False,
    out: Annotated[Path, typer.Option(help="File to write.")] = Path("improvisation.mid"),
    force: Force = False,
    model: Model = MODEL,
) -> None:
    """Play from nothing."""
    targets = _targets(out, takes, audio, force)
    played = _continue([np.zeros((0, 4), np.int32)] * takes, seconds, seed, (temperature, top_p, min_p), model)
    for target, fields in zip(targets, played, strict=True):
        notes = decode(fields, -fields[0, STEP] * FRAME_SECONDS if len(fields) else 0)
        with atomic_file(target) as part:
            midi_io.write_midi(notes, part)
        _tell(target, notes, audio)


@app.command("continue")
def continue_(
    file: Input,
    seconds: Seconds = 30,
    takes: Takes = 1,
    seed: Seed = 1,
    temperature: Temperature = 1.0,
    top_p: TopP = 0.98,
    min_p: MinP = 0.05,
    audio: Audio = False,
    out: Output = None,
    force: Force = False,
    model: Model = MODEL,
) -> None:
    """Play on from the last note of a file, for so many seconds. The file's own notes stay as they are."""
    data, notes = _read(file)
    targets = _targets(out or file.with_name(f"{file.stem}-continued.mid"), takes, audio, force)
    past, last = encode(notes)[-RECALL:], float(notes["start"].iloc[-1])
    played = _continue([past] * takes, seconds, seed, (temperature, top_p, min_p), model)
    for target, fields in zip(targets, played, strict=True):
        _write(data, decode(fields, _on_grid(last)), target, audio)


@app.command()
def fill(
    file: Input,
    start: Annotated[float, typer.Option("--from", min=0, callback=_number, help="Where the gap begins, in seconds.")],
    end: Annotated[float, typer.Option("--to", min=0, callback=_number, help="Where it ends.")],
    notes: Annotated[int | None, typer.Option(min=1, max=1000, help="How many. Default: as dense as before.")] = None,
    takes: Takes = 1,
    seed: Seed = 1,
    temperature: Temperature = 1.0,
    top_p: TopP = 0.98,
    min_p: MinP = 0.05,
    audio: Audio = False,
    out: Output = None,
    force: Force = False,
    model: Model = MODEL,
) -> None:
    """Play new notes between two moments of a file, which lead from what is before to what comes after.

    Notes that begin in between are replaced; all others stay as they are.
    """
    data, table = _read(file)
    if not start < end:
        raise InputError(f"--from {start:g} --to {end:g}: the gap must end after it begins")
    onset = table["start"].to_numpy()
    if end > onset[-1] or start <= onset[0]:
        raise InputError(
            f"{file}: a gap needs notes before and after it; here the first begins at {onset[0]:.2f} s and the last at"
            f" {onset[-1]:.2f} s (to go on after the last, use `continue`)"
        )
    targets = _targets(out or file.with_name(f"{file.stem}-filled.mid"), takes, audio, force)
    before, after = table[onset < start], table[onset >= end]
    count = notes or _density(onset, start, end)

    from stages.generation import sampler
    from stages.model import serialization

    network = serialization.load_model(model)
    past, future = encode(before)[-RECALL:], encode(after)[:AHEAD]
    last = _on_grid(before["start"].iloc[-1])
    played = sampler.generate_infills(
        network,
        [past] * takes,
        [future] * takes,
        count,
        [max(1, round((after["start"].iloc[0] - last) / FRAME_SECONDS))] * takes,
        seed,
        _taste(temperature, top_p, min_p),
        "play",
        leads=[max(0, _cells_to(start - last))] * takes,
        ends=[max(1, _cells_to(end - last))] * takes,
    )
    for target, fields in zip(targets, played, strict=True):
        _write(data, decode(fields, last), target, audio, (start, end))


def _read(file: Path) -> tuple[bytes, pd.DataFrame]:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from None
    try:
        notes = midi_io.read_midi(data)
        MidiEditor(data)  # pickier than reading; what it will not take should be said before anything is played
    except tempo_map.MidiError as error:
        raise InputError(f"{file}: {error}") from None
    return data, notes


def _targets(path: Path, takes: int, audio: bool, force: bool) -> list[Path]:
    # One file a take; refused before any work is done if something would be overwritten.
    if audio and path.suffix == ".mp3":
        raise InputError(f"{path}: --out names the MIDI file; its sound goes to a .mp3 beside it")
    paths = [path if takes == 1 else path.with_name(f"{path.stem}-{take}{path.suffix}") for take in range(1, takes + 1)]
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such folder")
    for target in [*paths, *(path.with_suffix(".mp3") for path in paths if audio)]:
        if target.is_dir():
            raise InputError(f"{target}: is a folder; --out names a file in it")
        if target.exists() and not force:
            raise InputError(f"{target}: exists already; --force overwrites it, --out names another file")
    return paths


def _continue(pasts, seconds, seed, taste, model) -> list[np.ndarray]:
    from stages.generation import sampler
    from stages.model import serialization

    network, taste = serialization.load_model(model), _taste(*taste)
    cells = round(seconds / FRAME_SECONDS)
    return sampler.generate_continuations(network, pasts, round(seconds * DENSEST), seed, taste, "play", cells)


def _taste(temperature: float, top_p: float, min_p: float):
    from stages.generation.sampler import SamplingConfig

    # The rhythm somewhat safer, no stray keys, a steady tempo: what docs/experiments.md found nearest to real music.
    return SamplingConfig((0.95 * temperature, *(temperature,) * 3), (1.0, *(top_p,) * 3), (0.0, min_p, 0.0, 0.0), 1.5)


def _density(onset: np.ndarray, start: float, end: float) -> int:
    # As many notes as there were, or else as many as the music around the gap has in that time.
    there = int(((onset >= start) & (onset < end)).sum())
    if there:
        return there
    around = (onset >= start - AROUND) & (onset < end + AROUND)
    return max(1, round(around.sum() * (end - start) / (2 * AROUND)))


def _cells_to(seconds: float) -> int:
    # The first cell that does not begin earlier, whatever the last digits of a sum say.
    return math.ceil(round(seconds / FRAME_SECONDS, 6))


def _on_grid(seconds: float) -> float:
    # New notes are counted from where the last one lies on the network's grid, not from where it was played.
    return round(seconds / FRAME_SECONDS) * FRAME_SECONDS


def _write(data: bytes, new: pd.DataFrame, target: Path, audio: bool, gap: tuple[float, float] | None = None) -> None:
    edit = MidiEditor(data)
    if gap:
        edit.remove(*gap)
    edit.add(new, "played by compose.py")
    edit.write(target)
    _tell(target, midi_io.read_midi(target.read_bytes()), audio)


def _tell(target: Path, notes: pd.DataFrame, audio: bool) -> None:
    print(target)
    if audio:
        from stages.audio.synthesizer import write_mp3

        sound = target.with_suffix(".mp3")
        write_mp3(notes, sound, RATE, LOUDNESS)
        print(sound)


def main() -> None:
    """Run the command line; a user's mistake is one line on stderr and an exit status of 1."""
    try:
        app()
    except InputError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error.filename or 'writing'}: {error.strerror or error}")


if __name__ == "__main__":
    main()
