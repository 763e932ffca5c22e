"""Write the results of all parts as one table: benchmarks/results/*.json -> benchmarks/README.md.

python -m benchmarks.table
"""

from collections.abc import Iterator

from benchmarks.measurement import ROOT, read_result, round_value

TABLE = ROOT / "benchmarks/README.md"
_HEAD = """# Benchmarks

`make bench` takes all of these measurements except those of `gpu` and `scaling_law`, in some 25 minutes on two cores;
`make bench PARTS="extraction dvc"` takes some of them. Each part is a module of this folder, whose docstring says what
it measures and how. `results/` holds the figures with their range and the machine on which they were measured;
`python -m benchmarks.table` writes this page from them. Figures are medians, and /s means notes per second. The figures
of a row were measured in turn, except for the rows `notebook`, `scaling` and `scaling_law` and those of the growing
number of files, which come from one run each. Batches per second are of processor time. `scaling_law` gives the loss on
the beginnings of the validation pieces, as reports/loss.json does.

| part | what | ours | compared with | ratio |
|---|---|---|---|---|
"""
_READER_LABELS = {
    "pretty_midi": "pretty_midi, one process",
    "pretty_midi_parallel": "pretty_midi, as many processes as ours",
    "miditoolkit": "miditoolkit",
    "miditok": "MidiTok, to tokens",
    "symusic": "symusic, parsing alone",
    "symusic_to_parquet": "symusic, parsing and writing",
}

Row = tuple[str, str, str, str]
"""The columns what, ours, compared with, and ratio."""


def main() -> None:
    """Write the page and print it."""
    TABLE.write_text(render(), encoding="utf-8")
    print(TABLE.read_text(encoding="utf-8"))


def render() -> str:
    """Return the page, made from the result files."""
    results = {part: read_result(part) for part in PARTS}
    rows = [
        f"| {part} | {' | '.join(row)} |\n" for part, make_rows in PARTS.items() for row in make_rows(results[part])
    ]
    return f"{_HEAD}{''.join(rows)}\n{_describe_machines(results)}"


def _notebook_rows(result: dict) -> Iterator[Row]:
    ours, notebook, real = (result[name] for name in ("ours_played", "played", "test_music"))
    area, notebook_area, real_area = (measures["overlapped_area"]["mean"] for measures in (ours, notebook, real))
    yield (
        f"overlapped area with test music, after {result['trained']['minutes']:g} minutes of training on 15 pieces",
        f"{area:.3f}",
        f"the notebook: {notebook_area:.3f}; real music: {real_area:.3f}",
        _times(area / notebook_area),
    )
    rate, notebook_rate, real_rate = (measures["same_onset_rate"] for measures in (ours, notebook, real))
    yield (
        "notes with the same onset as the previous note, in frames of 10 ms",
        f"{rate:.1%}",
        f"the notebook: {notebook_rate:.1%}; real music: {real_rate:.1%}",
        "",
    )
    speed, notebook_speed = (result[name]["targets_per_second"] for name in ("ours_trained", "trained"))
    yield "notes trained on", _rate(speed), f"the notebook: {_rate(notebook_speed)}", _times(speed / notebook_speed)


def _extraction_rows(result: dict) -> Iterator[Row]:
    ours = result["ways"]["stage"]
    what, rate = f"reading {ours['files']:,} files", _rate(ours["notes_per_second"]["median"])
    for name, label in _READER_LABELS.items():
        reader = result["ways"][name]
        reader_rate = _rate(reader["notes_per_second"]["median"])
        yield what, rate, f"{label}, {reader['files']:,} files: {reader_rate}", _times(reader["stage_is_times_faster"])
    for files, growth in result["growth"].items():
        yield f"reading {int(files):,} files", f"{growth['seconds']} s, {growth['peak_mb']} MB", "", ""


def _scaling_rows(result: dict) -> Iterator[Row]:
    notes = result["notes_per_file"]
    for files, growth in result["growth"].items():
        what = f"reading {int(files):,} files of {notes:,} notes"
        yield what, f"{growth['cpu_seconds']} s of processor time, {growth['peak_mb']} MB", "", ""
    dask = result["dask"]
    here = result["growth"][str(dask["files"])]
    what = f"reading {dask['files']:,} files of {notes:,} notes on a Dask cluster of {dask['workers']} workers"
    alone = f"without it, all processes: {here['cpu_seconds']} s, {here['peak_mb']} MB"
    yield what, f"the stage itself: {dask['cpu_seconds']} s of processor time, {dask['peak_mb']} MB", alone, ""


def _input_rows(result: dict) -> Iterator[Row]:
    for notes, ways in result["tables"].items():
        streamed, in_memory = ways["streamed"], ways["in memory"]
        what = f"making training batches of {int(notes):,} notes"
        rate, other_rate = (way["batches_per_second"]["median"] for way in (streamed, in_memory))
        times = _times(streamed["times_as_fast_as_in_memory"])
        yield what, f"{rate} batches/s", f"all notes in memory: {other_rate} batches/s", times
        peak, other_peak = (way["peak_mb"]["median"] for way in (streamed, in_memory))
        yield what, f"{peak:,} MB", f"all notes in memory: {other_peak:,} MB", _times(peak / other_peak)


def _training_rows(result: dict) -> Iterator[Row]:
    peak = result["float32_peak_gflops"]["median"]
    for name, case in result["cases"].items():
        rate, times = case["notes_per_second"], case["times_as_fast_as_pytorch"]
        yield name, _rate(rate), f"PyTorch: {_rate(rate / times)}", _times(times)
        fraction = f"{case['fraction_of_float32_peak']:.0%}"
        yield name, f"{case['gflops']} GFLOP/s", f"the machine's peak in float32: {peak} GFLOP/s", fraction


def _gpu_rows(result: dict) -> Iterator[Row]:
    peak = result["bfloat16_peak_tflops"]
    for name, case in result["cases"].items():
        what = f"{name}, {result['gpu']}"
        fraction = f"{case['fraction_of_bfloat16_peak']:.1%}"
        yield f"training, {what}", _rate(case["notes_per_second"]), "", ""
        yield f"training, {what}", f"{case['tflops']} TFLOP/s", f"a large bfloat16 product: {peak} TFLOP/s", fraction
        ours, cudnn = (case["lstm_ms"][layer]["median"] for layer in ("ours", "cudnn"))
        yield f"one LSTM and its gradient, {what}", f"{ours} ms", f"cuDNN in float32: {cudnn} ms", _times(cudnn / ours)


def _generation_rows(result: dict) -> Iterator[Row]:
    rates = {name: rate["median"] for name, rate in result["notes_per_second"].items()}
    notebook_rate = _rate(rates["notebook"])
    for name, times in result["times_the_notebook"].items():
        rate, bare_rate = _rate(rates[name]), _rate(rates[f"{name}, bare products"])
        yield name, rate, f"the notebook's `predict`: {notebook_rate}", _times(times)
        yield name, rate, f"bare matrix products: {bare_rate}", f"{result['fraction_of_bare_products'][name]:.0%}"
    compose = result["compose"]
    phases = ", ".join(f"{name} {seconds['median']} s" for name, seconds in compose["phases"].items())
    yield f"`compose.py`, {compose['seconds_of_music']} s of music", f"{compose['seconds']['median']} s", phases, ""


def _scaling_law_rows(result: dict) -> Iterator[Row]:
    for run in result["runs"]:
        what = f"LSTMs of {run['lstm_units']}, {run['parameters']:,} parameters, {run['notes']:,} notes"
        yield what, f"{run['total']} nats per note", "", ""
    reached, what = result["committed_run"]["total"], "the committed run"
    foretold = result["without_committed_run"]["foretold"][what]
    expected = f"foretold: {foretold['loss']} ({foretold['least']} to {foretold['most']})"
    yield what, f"{reached} nats per note", expected, ""


def _dvc_rows(result: dict) -> Iterator[Row]:
    seconds = {name: values["median"] for name, values in result["seconds"].items()}
    for command, times in result["times_the_empty_pipeline"].items():
        empty = f"{result['stages']} empty stages: {seconds[f'empty, {command}']} s"
        yield f"`dvc {command}`, nothing to do", f"{seconds[f'ours, {command}']} s", empty, _times(times)
    raw, md5 = result["raw_data"], seconds["raw, MD5"]
    hashing = raw["hashing_seconds"]["median"]
    what = f"hashing {raw['files']:,} files, {raw['mb']} MB"
    yield what, f"{hashing} s", f"MD5 alone: {md5} s", _times(hashing / md5)


PARTS = {
    "notebook": _notebook_rows,
    "extraction": _extraction_rows,
    "scaling": _scaling_rows,
    "input": _input_rows,
    "training": _training_rows,
    "gpu": _gpu_rows,
    "generation": _generation_rows,
    "scaling_law": _scaling_law_rows,
    "dvc": _dvc_rows,
}
"""Functions that make the rows of each part, in the order of the page."""


def _describe_machines(results: dict[str, dict]) -> str:
    # One line for all parts that were measured on the same machine.
    parts_by_machine: dict[str, list[str]] = {}
    for part, result in results.items():
        made_on = result["made_on"]
        machine = f"{made_on['cores']} cores, {made_on['processor']}, {made_on['system']}, Python {made_on['python']}"
        machine = f"{machine}, Keras {made_on['keras']} on {made_on['backend']}"
        parts_by_machine.setdefault(machine, []).append(part)
    lines = [f"Measured on {machine}: {', '.join(parts)}." for machine, parts in parts_by_machine.items()]
    return "\n".join(lines) + "\n"


def _rate(notes: float) -> str:
    return f"{round_value(notes):,}/s"


def _times(ratio: float) -> str:
    return f"{round_value(ratio):,} x"


if __name__ == "__main__":
    main()
