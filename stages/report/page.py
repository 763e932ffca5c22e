"""The report of a run as one HTML page: what it is, how good it is, what it plays.

The page needs no network and no server. Only sound and MIDI files lie beside it, in audio/ and samples/; all else is
inside. This module computes what the page shows; page.html is its text and structure, page.css its look, and page.js
moves the playheads.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import jinja2
import pandas as pd
from markupsafe import Markup

from stages.report import figures

REFERENCES = {
    "Performance RNN, an LSTM on events": 7.94,
    "Music Transformer": 7.42,
}
"""Nats per note on MAESTRO's test split, nearly: 1.969 and 1.840 nats per event (Huang et al., Music Transformer, ICLR
2019) times the split's 4.033 events per note."""

SHADES = 6
"""Steps of opacity that stand for velocity."""

LEAD_IN = 2.0
"""s heard before the place that a button goes to."""

_DISTRIBUTIONS = {
    "pitch": "Pitch",
    "step": "Step: from one onset to the next",
    "duration": "Duration, pedal included",
    "velocity": "Velocity: how hard the key is struck",
}

_GROUPS = {
    "improvisation": ("From nothing", "Every note is the network's."),
    "continuation": (
        "Going on",
        "The network hears the beginning of a piece that it does not know, marked as prompt, and plays on.",
    ),
    "filling": (
        "Filling a gap",
        "A stretch is taken out of a piece, and the network plays what could have been there. Beside it, what was.",
    ),
}

_HABITS = {  # of similarity.json: what a row is called, and whether its figures are shares
    "repeated_notes": ("notes that repeat the one before", True),
    "longest_repeat": ("most notes in a row on one key", False),
    "repeated_phrases": ("phrases of eight notes heard before", True),
    "struck_together": ("notes struck together with the one before", True),
    "largest_instant": ("largest share of an excerpt's notes in one instant", True),
    "velocity_spread": ("standard deviation of velocities", False),
    "tempo_drift": ("change of pace from first half to second, in powers of two", False),
    "copied_mean": ("notes in a row also found in training music, mean", False),
    "copied_longest": ("notes in a row also found in training music, most", False),
}


@dataclass(frozen=True)
class Sample:
    """One piece to listen to; its files are samples/<name>.mid and audio/<name>.mp3 beside the page."""

    name: str  # <kind>-<number>; an original has the number of its filling
    kind: str  # improvisation, continuation, filling, or original: what stood where a filling is
    title: str  # of the music it starts from, "" if from nothing
    composer: str
    seconds: float
    regions: Sequence[Mapping]  # {"kind": "prompt" or "filled", "start": s, "end": s}
    notes: pd.DataFrame  # note table with the column `generated`

    @property
    def number(self) -> str:
        return self.name.rpartition("-")[2]

    @property
    def heading(self) -> str:
        return "The original" if self.kind == "original" else f"{self.kind.capitalize()} {self.number}"

    @property
    def origin(self) -> str:
        return ", ".join(part for part in (self.composer, self.title) if part)

    @property
    def caption(self) -> str:
        """One line of text: Continuation 1 · Frédéric Chopin, Ballade No. 1."""
        name = f"{self.kind.capitalize()} {self.number}"
        return f"{name} · {self.origin}" if self.origin else name

    @property
    def audio(self) -> str:
        return quote(f"audio/{self.name}.mp3")

    @property
    def midi(self) -> str:
        return quote(f"samples/{self.name}.mid")

    @property
    def description(self) -> str:
        """What its piano roll shows, in words."""
        pitch = self.notes["pitch"]
        reach = [figures.note_name(int(end)) for end in (pitch.min(), pitch.max())] if len(pitch) else []
        between = f" from {' to '.join(reach)}" if reach else ""
        marks = "".join(f"; {self.mark(mark)} from {mark['start']:.0f} to {mark['end']:.0f} s" for mark in self.regions)
        return f"Piano roll: {len(pitch)} notes{between} in {self.seconds:.0f} s{marks}."

    def mark(self, region: Mapping) -> str:
        """What a region of its roll is called."""
        return "original" if self.kind == "original" else region["kind"]

    def lead_in(self, region: Mapping) -> float:
        """From where, in s, to hear the place of interest: the end of a prompt, the beginning of a filling."""
        return round(max(0.0, region["end" if region["kind"] == "prompt" else "start"] - LEAD_IN), 2)

    def strokes(self, high: int) -> Iterator[dict]:
        """Its notes for SVG, a path for each shade, made of strokes M<start> <row>h<length>, in 10 ms and semitones.

        Row 0 is the pitch `high`. So a thousand notes are a few elements, and page.js reads them back from there.
        """
        x = (100 * self.notes["start"]).round().astype(int)
        length = (100 * self.notes["sustained"]).round().clip(lower=2).astype(int)
        row = high - self.notes["pitch"].astype(int)
        shade = self.notes["velocity"].astype(int) * SHADES // 128
        table = pd.DataFrame({"x": x, "row": row, "length": length})
        for (generated, step), group in table.groupby([self.notes["generated"], shade]):
            d = "".join(f"M{x} {row}h{length}" for x, row, length in group.itertuples(index=False))
            yield {"generated": generated, "opacity": f"{0.28 + 0.72 * step / (SHADES - 1):.2f}", "d": d}


@dataclass(frozen=True)
class Scale:
    """The extent of a piano roll, shared by rolls that stand side by side."""

    seconds: float
    low: int  # MIDI numbers, both Cs
    high: int

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> "Scale":
        """Large enough for all of `samples`."""
        ends = [
            end for sample in samples for end in (sample.seconds, *(sample.notes["start"] + sample.notes["sustained"]))
        ]
        low, high = figures.pitch_range([pitch for sample in samples for pitch in sample.notes["pitch"]])
        return cls(round(max([1.0, *ends]), 2), low, high)

    @property
    def width(self) -> int:
        return round(100 * self.seconds)

    @property
    def rows(self) -> int:
        return self.high - self.low + 1

    @property
    def octaves(self) -> list[dict]:
        return [
            {"name": figures.note_name(pitch), "top": _percent(self.high - pitch + 0.5, self.rows)}
            for pitch in range(self.low, self.high + 1, 12)
        ]

    @property
    def lines(self) -> str:
        """A line below every C."""
        return "".join(f"M0 {self.high - pitch + 1}h{self.width}" for pitch in range(self.low, self.high + 1, 12))

    @property
    def times(self) -> range:
        """Whole seconds to label, a dozen at most, none so near the end that its label would be cut off."""
        every = next((step for step in (1, 2, 5, 10, 20, 30, 60) if self.seconds / step <= 12), 120)
        return range(0, int(self.seconds - 0.4 * every) + 1, every)


@dataclass(frozen=True)
class Run:
    """All that the page shows. The mappings and tables are those of the files in reports/."""

    data_set: str  # its title
    sources: Sequence[str]  # where the data are from, licence, citation: paragraphs of plain text
    comparable: bool  # whether REFERENCES are about this data set
    settings: Mapping[str, object]
    corpus: Mapping
    training: Mapping
    likelihood: Mapping
    similarity: Mapping
    loss: pd.DataFrame
    distributions: pd.DataFrame
    samples: Sequence[Sample]
    notebook: Mapping | None = None  # what the notebook baseline played, as in benchmarks/results/notebook.json


def render(run: Run) -> str:
    """The whole page."""
    folder = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.filters |= {
        "count": _count,
        "number": _number,
        "percent": _percent,
        "clock": _clock,
        "words": _words,
        "share": _share,
    }
    page = environment.get_template("page.html").render(
        run=run,
        css=Markup((folder / "page.css").read_text(encoding="utf-8").strip()),
        js=Markup((folder / "page.js").read_text(encoding="utf-8").strip()),
        banner=_banner(run.samples),
        passes=f"{run.training['notes_seen'] / max(run.corpus['train']['notes'], 1):.1f}",
        ladder=_ladder(run),
        parts=("total", *figures.FIELDS),
        by_field=_by_field(run.likelihood),
        loss=_loss(run),
        distributions=_distributions(run.distributions),
        habits=_habits(run.similarity),
        groups=_groups(run.samples),
    )
    return page + "\n"


def _banner(samples: Sequence[Sample]) -> dict | None:
    sample = next((sample for sample in samples if sample.kind != "original" and len(sample.notes)), None)
    if sample is None:
        return None
    scale = Scale.of([sample])
    return {"box": f"0 -4 {scale.width} {scale.rows + 8}", "strokes": sample.strokes(scale.high)}


def _ladder(run: Run) -> list[tuple[str, float, str]]:
    if not run.likelihood["test"]:
        return []
    ladder = [("unigram, no context at all", run.likelihood["unigram"]["total"], "floor")]
    ladder += [("this network", run.likelihood["test"]["total"], "ours")]
    return ladder + [(name, value, "published") for name, value in REFERENCES.items() if run.comparable]


def _by_field(likelihood: Mapping) -> dict[str, Mapping]:
    rows = {"test": likelihood["test"], "validation": likelihood["validation"]}
    for gap, values in likelihood["infill"].items():
        notes = int(gap.removeprefix("gap_"))
        rows[f"test, gap of {notes} note{'s' * (notes != 1)}"] = values
    rows["test, unigram"] = likelihood["unigram"]
    return {name: values for name, values in rows.items() if values}


def _loss(run: Run) -> dict[str, str]:
    first, last, best = run.loss["loss"].iloc[0], run.loss["loss"].iloc[-1], run.training["validation_loss"]["loss"]
    alternative = f"Line chart: training loss from {first:.2f} to {last:.2f} nats per note in {len(run.loss)} epochs"
    if best is not None:
        alternative += f"; validation loss is best, {best:.2f}, after epoch {run.training['best_epoch']}"
    panels = figures.loss_panels(run.loss, run.training["best_epoch"])
    return {name: Markup(panel) for name, panel in panels.items()} | {"alternative": alternative + "."}


def _distributions(table: pd.DataFrame) -> list[tuple[str, str, str]]:
    panels = figures.distribution_panels(table)
    return [
        (heading, Markup(panels[feature]), f"Histogram of {feature}: {_peaks(table, feature)}.")
        for feature, heading in _DISTRIBUTIONS.items()
    ]


def _peaks(table: pd.DataFrame, feature: str) -> str:
    found = []
    for source, name in {"generated": "generated", "test": "test music"}.items():
        bins = table[(table["feature"] == feature) & (table["source"] == source)]
        if len(bins):
            peak = bins.loc[bins["share"].idxmax()]
            found.append(f"{name} has most, {100 * peak['share']:.0f} %, between {peak['low']:g} and {peak['high']:g}")
    return "; ".join(found) or "no notes"


def _habits(similarity: Mapping) -> list[tuple[str, str, str]]:
    habits = similarity["habits"] | {f"copied_{name}": values for name, values in similarity["copied_notes"].items()}
    rows = []
    for name, values in habits.items():
        label, share = _HABITS.get(name, (_words(name), False))
        shown = _share if share else _digits
        rows.append((label, shown(values["generated"]), shown(values["test"])))
    return rows


def _groups(samples: Sequence[Sample]) -> list[dict]:
    originals = {sample.number: sample for sample in samples if sample.kind == "original"}
    groups = []
    for kind, (heading, explanation) in _GROUPS.items():
        cards = [[sample] for sample in samples if sample.kind == kind]
        if kind == "filling":
            cards = [[sample, *filter(None, [originals.get(sample.number)])] for [sample] in cards]
        if cards:
            members = [(card, Scale.of(card)) for card in cards]
            groups.append({"heading": heading, "explanation": explanation, "members": members})
    return groups


def _count(number: int) -> str:
    """A count as people read it: 2.27 million, 12,345."""
    return f"{number / 1e6:.3g} million" if number >= 1e6 else f"{number:,}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"  # noqa: RUF001


def _digits(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"  # noqa: RUF001


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.3g}\u00a0%"  # noqa: RUF001


def _words(name: str) -> str:
    return name.replace("_", " ")


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.2f}%"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
