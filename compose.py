"""Compose with a trained model: improvise, continue a MIDI file, or infill a gap of one. `python compose.py --help`"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
# The repository's own modules, also under PYTHONSAFEPATH=1 and whatever PYTHONPATH holds.
sys.path.insert(0, str(ROOT))

from stages.utils import startup

if __name__ == "__main__":
    startup.begin()

import functools
import inspect
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, get_type_hints

import numpy as np
import pandas as pd
import typer

from stages.generation.sampling_config import SamplingConfig
from stages.midi import midi_io, riff
from stages.midi.midi_editor import MidiEditor
from stages.midi.tempo_map import MidiError
from stages.representation.grid_encoding import DURATION, FRAME_SECONDS, STEP, VELOCITY, decode, encode
from stages.representation.note_table import end_at_next_onset
from stages.utils import paths
from stages.utils.atomic import atomic_file, check_writable
from stages.utils.errors import OUT_OF_MEMORY, InputError, describe_os_error
from stages.utils.keras_setup import import_keras

PAST_NOTES = 1000
"""Notes before the new ones that the network reads; it does not remember farther back."""

FUTURE_NOTES = 256
"""Notes after a gap that the network reads."""

MAX_NOTES_PER_SECOND = 40
"""Density at which a continuation ends, even if it never comes to its last second."""

DENSITY_WINDOW = 10.0
"""Seconds on either side of a gap whose density tells how many notes the gap needs."""

MODEL = ROOT / paths.MODEL
"""The repository's model, whatever folder the program runs in."""

SAMPLE_RATE, LOUDNESS_DBFS = 44100, -20.0

MIDI_BYTES_PER_NOTE, MP3_BYTES_PER_SECOND = 10, 96_000 // 8
"""Upper bounds, to find out whether there is room before anything is generated."""

MIDI_BYTES_PER_SECOND = MIDI_BYTES_PER_NOTE * MAX_NOTES_PER_SECOND

TRACK_NAME = "played by compose.py"

app = typer.Typer(
    help="Compose piano music with a bidirectional LSTM: improvise, continue your MIDI file, or infill a gap of it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _finite(value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number")
    return value


Input = Annotated[
    Path, typer.Argument(metavar="IN.mid", help="A MIDI file; all channels but the drum channel are read.")
]
Seconds = Annotated[float, typer.Option(min=1, max=3600, callback=_finite, help="Length of the new music in seconds.")]
GapStart = Annotated[float, typer.Option("--from", min=0, callback=_finite, help="Start of the gap in seconds.")]
GapEnd = Annotated[float, typer.Option("--to", min=0, callback=_finite, help="End of the gap in seconds.")]
NoteCount = Annotated[
    int | None,
    typer.Option(
        "--notes",
        min=1,
        max=1000,
        help="Number of new notes. Default: as many as are in the gap; if it is empty, at the density around it.",
    ),
]


@dataclass(frozen=True)
class Options:
    """The options of every command."""

    takes: Annotated[int, typer.Option(min=1, max=64, help="Number of versions, each in a file of its own.")] = 1
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same notes.")] = 1
    temperature: Annotated[
        float,
        typer.Option(
            min=0.05,
            max=3,
            callback=_finite,
            help="Factor on the temperatures in params.yaml: below 1 safer, above 1 bolder.",
        ),
    ] = 1.0
    top_p: Annotated[
        float | None,
        typer.Option(
            min=0.05,
            max=1,
            callback=_finite,
            help="Probability mass of the likeliest pitches, durations and velocities to keep. Default: params.yaml.",
        ),
    ] = None
    min_p: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=0.5,
            callback=_finite,
            help="Leave out pitches of less than this fraction of the highest probability, or of all others together"
            " where that is less. Default: params.yaml.",
        ),
    ] = None
    audio: Annotated[bool, typer.Option("--audio", help="Also write an MP3 file next to each MIDI file.")] = False
    out: Annotated[
        Path | None,
        typer.Option(help="MIDI file to write. Default: improvisation.mid, or next to the input and named after it."),
    ] = None
    force: Annotated[bool, typer.Option("--force", help="Overwrite files.")] = False
    model: Annotated[Path, typer.Option(help="The trained model.", show_default=f"{paths.MODEL} of the repository")] = (
        MODEL
    )


def _command(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a command whose last parameter is `options`; on the command line it is the fields of `Options`."""

    def register(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(**values: Any) -> None:
            shared = {field.name: values.pop(field.name) for field in fields(Options)}
            command(**values, options=Options(**shared))

        # Typer takes options from the signature and the annotations.
        own = [value for value in inspect.signature(command).parameters.values() if value.name != "options"]
        parameters = [*own, *inspect.signature(Options).parameters.values()]
        signature = inspect.Signature([value.replace(kind=inspect.Parameter.KEYWORD_ONLY) for value in parameters])
        hints = get_type_hints(command, include_extras=True) | get_type_hints(Options, include_extras=True)
        run.__signature__ = signature  # type: ignore[attr-defined]
        run.__annotations__ = {parameter: hints[parameter] for parameter in signature.parameters}
        return app.command(name)(run)

    return register


@_command("improvise")
def improvise(seconds: Seconds = 30, *, options: Options) -> None:
    """Compose a piece from nothing."""
    targets = _targets(options.out or Path("improvisation.mid"), options, seconds, MIDI_BYTES_PER_SECOND * seconds)
    improvisations = _generate_continuations(np.zeros((0, 4), np.int32), seconds, options)
    for target, notes_on_grid in zip(targets, improvisations, strict=True):
        first_onset = notes_on_grid[0, STEP] * FRAME_SECONDS if len(notes_on_grid) else 0
        notes = end_at_next_onset(decode(notes_on_grid, -first_onset))
        with _output(target, options) as part:
            midi_io.write_midi(notes, part)
        _report(target, notes, options)


@_command("continue")
def continue_(file: Input, seconds: Seconds = 30, *, options: Options) -> None:
    """Continue a file after the onset of its last note. The notes of the file stay as they are."""
    data, notes = _read(file)
    length, size = _end(notes) + seconds, 2 * len(data) + MIDI_BYTES_PER_SECOND * seconds
    targets = _targets(options.out or file.with_name(f"{file.stem}-continued.mid"), options, length, size)
    last_onset = _on_grid(notes["start"].iloc[-1])
    continuations = _generate_continuations(encode(notes)[-PAST_NOTES:], seconds, options)
    for target, notes_on_grid in zip(targets, continuations, strict=True):
        _write_edited(file, MidiEditor(data), decode(notes_on_grid, last_onset), target, options)


@_command("infill")
def infill(file: Input, start: GapStart, end: GapEnd, notes: NoteCount = None, *, options: Options) -> None:
    """Replace the notes of a file that begin in a gap by new ones, which lead from the music before to that after.

    All other notes stay as they are.
    """
    data, table = _read(file)
    onset = table["start"].to_numpy()
    if not start < end:
        raise InputError(f"--from {start:g} --to {end:g}: the gap must end after it begins")
    if end > onset[-1] or start <= onset[0]:
        raise InputError(
            f"{file}: a gap needs notes before and after it; here the first begins at {onset[0]:.2f} s and the last at"
            f" {onset[-1]:.2f} s (to add notes after the last, use `continue`)"
        )
    last_onset = _on_grid(onset[onset < start][-1])
    # Between these frames, counted from the last onset of the past, are all new onsets.
    first_frame, end_frame = max(0, _first_frame(start - last_onset)), _first_frame(end - last_onset)
    if end_frame <= first_frame:
        raise InputError(
            f"--from {start:g} --to {end:g}: too short a gap; onsets are at least {FRAME_SECONDS:g} s apart"
        )
    count = notes or _note_count(onset, start, end)
    size = 2 * len(data) + MIDI_BYTES_PER_NOTE * count
    targets = _targets(options.out or file.with_name(f"{file.stem}-infilled.mid"), options, _end(table), size)
    # The removed notes decide nothing: a note that one of them would end sounds longer without it.
    rest = _read_without(file, data, start, end)
    is_past = rest["start"] < start
    infills = _generate_infills(rest[is_past], rest[~is_past], (first_frame, end_frame), count, options)
    for target, notes_on_grid in zip(targets, infills, strict=True):
        editor = MidiEditor(data)
        editor.remove(start, end)
        _write_edited(file, editor, decode(notes_on_grid, last_onset), target, options)


def _generate_continuations(prompt: np.ndarray, seconds: float, options: Options) -> list[np.ndarray]:
    config, model = _sampling_config(options), _existing(options.model)
    import_keras()
    from stages.generation.continuation import ContinuationRequest, generate_continuations
    from stages.model.serialization import load_model

    network = load_model(model)
    request = ContinuationRequest(
        prompts=[prompt] * options.takes,
        num_notes=round(seconds * MAX_NOTES_PER_SECOND),
        max_frames=round(seconds / FRAME_SECONDS),
    )
    return generate_continuations(network, request, options.seed, config, "sampling")


def _generate_infills(
    before: pd.DataFrame, after: pd.DataFrame, frames: tuple[int, int], count: int, options: Options
) -> list[np.ndarray]:
    config, model = _sampling_config(options), _existing(options.model)
    import_keras()
    from stages.generation.infill import Gap, InfillRequest, generate_infills
    from stages.model.serialization import load_model

    network = load_model(model)
    last_onset = _on_grid(before["start"].iloc[-1])
    gap = Gap(
        past=encode(before)[-PAST_NOTES:],
        future=encode(after)[:FUTURE_NOTES],
        frames_to_future=max(1, round((after["start"].iloc[0] - last_onset) / FRAME_SECONDS)),
        first_frame=frames[0],
        end_frame=frames[1],
    )
    return generate_infills(network, InfillRequest([gap] * options.takes, count), options.seed, config, "sampling")


def _existing(model: Path) -> Path:
    if model == MODEL and not model.is_file():
        raise InputError(f"{model}: no trained model there; `dvc pull {paths.MODEL}` in {ROOT} fetches one")
    return model


def _sampling_config(options: Options) -> SamplingConfig:
    # Sampling is as in the committed run; docs/experiments.md compares it with others.
    from stages.params.generate import GenerateParams
    from stages.utils.params_file import read_sections

    default: GenerateParams = read_sections(ROOT / "params.yaml", generate=GenerateParams)["generate"]
    step, pitch, duration, velocity = (options.temperature * value for value in default.temperature)
    top_p, min_p = default.top_p, default.min_p
    if options.top_p is not None:
        top_p = (top_p[STEP], options.top_p, options.top_p, options.top_p)
    if options.min_p is not None:
        min_p = (min_p[STEP], options.min_p, min_p[DURATION], min_p[VELOCITY])
    config = SamplingConfig.from_params(default)
    return replace(config, temperature=(step, pitch, duration, velocity), top_p=top_p, min_p=min_p)


def _read(file: Path) -> tuple[bytes, pd.DataFrame]:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from None
    try:
        data = riff.unwrap(data)
        notes = midi_io.read_midi(data)
        MidiEditor(data)  # refuses files without a free channel; better before the notes are generated than after
    except MidiError as error:
        raise InputError(f"{file}: {error}") from None
    return data, notes


def _read_without(file: Path, data: bytes, start: float, end: float) -> pd.DataFrame:
    # The notes of a file without those that begin from `start` to before `end`.
    editor = MidiEditor(data)
    editor.remove(start, end)
    try:
        return midi_io.read_midi(editor.encode())
    except MidiError as error:
        raise InputError(f"{file}: {error}") from None


def _end(notes: pd.DataFrame) -> float:
    return float((notes["start"] + notes["sounding_duration"]).max())


def _targets(path: Path, options: Options, seconds: float, midi_bytes: float) -> list[Path]:
    # One file a take, of so many seconds and about so many bytes. What would be overwritten or cannot be written is
    # refused before any work is done.
    if not path.name:
        raise InputError(f"{path}: is a folder; --out names a file in it")
    if options.audio and path.suffix == ".mp3":
        raise InputError(f"{path}: --out names the MIDI file; the sound goes to a .mp3 file next to it")
    targets = list(_numbered(path, options.takes))
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such folder; create it, or name another one with --out")
    sizes = {target: round(midi_bytes) for target in targets}
    if options.audio:
        sizes |= {target.with_suffix(".mp3"): round(MP3_BYTES_PER_SECOND * seconds) for target in targets}
    for target in sizes:
        if target.is_dir():
            raise InputError(f"{target}: is a folder; --out names a file in it")
        if target.exists() and not target.is_file():
            raise InputError(f"{target}: is a device; --out names a file")
        if target.exists() and not options.force:
            raise _exists_already(target)
    check_writable(sizes)
    return targets


def _exists_already(target: Path) -> InputError:
    return InputError(f"{target}: exists already; --force overwrites it, --out names another file")


@contextmanager
def _output(target: Path, options: Options) -> Iterator[Path]:
    # As `atomic_file`. Another run may have written the file since `_targets` looked.
    try:
        with atomic_file(target, overwrite=options.force) as part:
            yield part
    except FileExistsError:
        raise _exists_already(target) from None


def _numbered(path: Path, takes: int) -> Iterator[Path]:
    for take in range(1, takes + 1):
        yield path if takes == 1 else path.with_name(f"{path.stem}-{take}{path.suffix}")


def _note_count(onset: np.ndarray, start: float, end: float) -> int:
    # As many notes as the gap had, or else as many as the music around it has in that time.
    replaced = int(((onset >= start) & (onset < end)).sum())
    if replaced:
        return replaced
    around = (onset >= start - DENSITY_WINDOW) & (onset < end + DENSITY_WINDOW)
    return max(1, round(around.sum() * (end - start) / (2 * DENSITY_WINDOW)))


def _first_frame(seconds: float) -> int:
    # The first frame that does not begin earlier, whatever rounding errors the seconds have.
    return math.ceil(round(seconds / FRAME_SECONDS, 6))


def _on_grid(seconds: float) -> float:
    # New notes are counted from the frame of the last onset, as the network does, not from its exact time.
    return round(seconds / FRAME_SECONDS) * FRAME_SECONDS


def _write_edited(file: Path, editor: MidiEditor, new_notes: pd.DataFrame, target: Path, options: Options) -> None:
    try:
        editor.add(new_notes, TRACK_NAME)
        with _output(target, options) as part:
            editor.write(part)
    except MidiError as error:
        raise InputError(f"{file}: {error}; {target} is not written") from None
    _report(target, midi_io.read_midi(target.read_bytes()), options)


def _report(target: Path, notes: pd.DataFrame, options: Options) -> None:
    # Prints what was written, and writes the sound if it is asked for.
    print(target)
    if options.audio:
        from stages.audio.synthesizer import write_mp3

        sound = target.with_suffix(".mp3")
        with _output(sound, options) as part:
            write_mp3(notes, part, SAMPLE_RATE, LOUDNESS_DBFS)
        print(sound)


def main() -> None:
    """Run the command line; a user's mistake is one line on stderr and an exit status of 1."""
    startup.ready()
    try:
        app()
    except InputError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {describe_os_error(error)}")
    except MemoryError:
        sys.exit(f"error: {OUT_OF_MEMORY}")


if __name__ == "__main__":
    main()
