"""The results of all parts as one table: benchmarks/results/*.json -> benchmarks/README.md.

python -m benchmarks.table
"""

from collections.abc import Iterator

from benchmarks import measuring

TABLE = measuring.ROOT / "benchmarks/README.md"
_HEAD = """# Benchmarks

`make bench` measures all of this again, in about 12 minutes on two cores, `make bench PARTS="extraction dvc"` some of
it. Each part is a module here, whose first lines say what is measured and how. `results/` holds the figures with their
spread and what they were measured on; `python -m benchmarks.table` makes this page of them. Figures are medians, /s
means notes a second, and what stands in a row was measured in turn; but the rows called `notebook`, and those of how
reading grows, are of one run each. `coarser` are copies of the pipeline in which DVC is told less exactly what depends
on what.

| part | what | ours | beside it | ratio |
|---|---|---|---|---|
"""
_READERS = {
    "pretty_midi": "pretty_midi, one process",
    "pretty_midi_side_by_side": "pretty_midi, as many processes as ours",
    "miditoolkit": "miditoolkit",
    "miditok": "MidiTok, to tokens",
    "symusic": "symusic, parsing alone",
    "symusic_to_parquet": "symusic, parsing and writing",
}

Row = tuple[str, str, str, str]


def main() -> None:
    TABLE.write_text(text(), encoding="utf-8")
    print(TABLE.read_text(encoding="utf-8"))


def text() -> str:
    """The page."""
    results = {part: measuring.read(part) for part in PARTS}
    rows = [f"| {part} | {' | '.join(row)} |\n" for part, make in PARTS.items() for row in make(results[part])]
    return f"{_HEAD}{''.join(rows)}\n{_machines(results)}"


def _notebook(result: dict) -> Iterator[Row]:
    ours, theirs, real = (result[name] for name in ("ours_played", "played", "test_music"))
    minutes = f"after {result['trained']['minutes']:g} minutes of training on 15 pieces"
    area, other, ceiling = (one["overlapped_area"]["mean"] for one in (ours, theirs, real))
    beside = f"the notebook: {other:.3f}; real music: {ceiling:.3f}"
    yield f"overlapped area with test music, {minutes}", f"{area:.3f}", beside, _times(area / other)
    share, other, ceiling = (one["struck_together"] for one in (ours, theirs, real))
    beside = f"the notebook: {other:.1%}; real music: {ceiling:.1%}"
    yield "notes with step 0, in cells of 10 ms", f"{share:.1%}", beside, ""
    rate, other = (result[name]["targets_per_second"] for name in ("ours_trained", "trained"))
    yield "notes learnt from", _rate(rate), f"the notebook: {_rate(other)}", _times(rate / other)


def _extraction(result: dict) -> Iterator[Row]:
    ours = result["ways"]["stage"]
    what, rate = f"reading {ours['files']:,} files", _rate(ours["notes_per_second"]["median"])
    for name, label in _READERS.items():
        way = result["ways"][name]
        beside = f"{label}, {way['files']:,} files: {_rate(way['notes_per_second']['median'])}"
        yield what, rate, beside, _times(way["stage_is_times_faster"])
    for files, grown in result["growth"].items():
        yield f"reading {int(files):,} files", f"{grown['seconds']} s, {grown['peak_mb']} MB", "", ""


def _training(result: dict) -> Iterator[Row]:
    peak = result["float32_peak_gflops"]["median"]
    for name, case in result["cases"].items():
        rate, times = case["notes_per_second"], case["times_as_fast_as_pytorch"]
        yield name, _rate(rate), f"PyTorch: {_rate(rate / times)}", _times(times)
        share = f"{case['share_of_float32_peak']:.0%}"
        yield name, f"{case['gflops']} GFLOP/s", f"the machine's peak in float32: {peak} GFLOP/s", share


def _generation(result: dict) -> Iterator[Row]:
    rates = {name: rate["median"] for name, rate in result["notes_per_second"].items()}
    for name, times in result["times_the_notebook"].items():
        yield name, _rate(rates[name]), f"the notebook's `predict`: {_rate(rates['notebook'])}", _times(times)
        bare = _rate(rates[f"{name}, bare products"])
        yield name, _rate(rates[name]), f"bare matrix products: {bare}", f"{result['share_of_bare_products'][name]:.0%}"
    compose = result["compose"]
    steps = ", ".join(f"{name} {taken['median']} s" for name, taken in compose["steps"].items())
    yield f"`compose.py`, {compose['seconds_of_music']} s of music", f"{compose['seconds']['median']} s", steps, ""


def _dvc(result: dict) -> Iterator[Row]:
    seconds = {name: taken["median"] for name, taken in result["seconds"].items()}
    for command, times in result["times_the_empty_pipeline"].items():
        beside = f"{result['stages']} empty stages: {seconds[f'empty, {command}']} s"
        yield f"`dvc {command}`, nothing to do", f"{seconds[f'ours, {command}']} s", beside, _times(times)
    for name, times in result["coarser_times_the_empty_pipeline"].items():
        beside = f"{result['stages']} empty stages: {seconds['empty, repro']} s"
        yield f"`dvc repro`, coarser: {name}", f"{seconds[name]} s", beside, _times(times)
    raw, bare = result["raw_data"], seconds["raw, MD5"]
    hashing = raw["hashing_seconds"]["median"]
    yield (
        f"hashing {raw['files']:,} files, {raw['mb']} MB",
        f"{hashing} s",
        f"MD5 alone: {bare} s",
        _times(hashing / bare),
    )


PARTS = {
    "notebook": _notebook,
    "extraction": _extraction,
    "training": _training,
    "generation": _generation,
    "dvc": _dvc,
}


def _machines(results: dict[str, dict]) -> str:
    # What the parts were measured on, parts that agree in one line.
    lines: dict[str, list[str]] = {}
    for part, result in results.items():
        about = result["made_on"]
        machine = f"{about['cores']} cores, {about['processor']}, {about['system']}, Python {about['python']}"
        lines.setdefault(f"{machine}, Keras {about['keras']} on {about['backend']}", []).append(part)
    return "\n".join(f"Measured on {machine}: {', '.join(parts)}." for machine, parts in lines.items()) + "\n"


def _rate(notes: float) -> str:
    return f"{measuring.short(notes):,}/s"


def _times(ratio: float) -> str:
    return f"{measuring.short(ratio):,} x"


if __name__ == "__main__":
    main()
