"""The samples as cards of the page: what is written on each, and which belong together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import pandas as pd

from stages.report.piano_roll import NotePath, RollScale, note_paths
from stages.report.pitches import note_name
from stages.samples.sample_set import Region, Sample

LEAD_IN_SECONDS = 2.0
"""How long before the part of interest a card's button starts to play."""

GROUP_TEXTS = {
    "improvisation": ("Improvisations", "Generated without a prompt: every note is the network’s."),  # noqa: RUF001
    "continuation": (
        "Continuations",
        "The network continues a passage from a test piece, marked as prompt. It was not trained on that piece.",
    ),
    "infill": (
        "Infills",
        "A gap is cut into a test piece, and the network generates an infill, given the music before and after it. "
        "Next to it is the original.",
    ),
}
"""Heading and explanation of each sample kind that has a group of its own."""


@dataclass(frozen=True)
class SampleCard:
    """A sample with its notes; its files are samples/<name>.mid and audio/<name>.mp3 in the page's folder."""

    sample: Sample
    notes: pd.DataFrame  # note table with the column `generated`

    @property
    def name(self) -> str:
        """Return the name of the sample's files."""
        return self.sample.name

    @property
    def kind(self) -> str:
        """Return the sample kind."""
        return self.sample.kind

    @property
    def number(self) -> str:
        """Return the number in the name, which an infill and its original share."""
        return self.name.rpartition("-")[2]

    @property
    def heading(self) -> str:
        """Return the heading of the card."""
        return "The original" if self.kind == "original" else f"{self.kind.capitalize()} {self.number}"

    @property
    def accessible_name(self) -> str:
        """Return the heading as screen readers need it: unique on the page."""
        return f"The original of infill {self.number}" if self.kind == "original" else self.heading

    @property
    def origin(self) -> str:
        """Return composer and title of the real music in it; "" for an improvisation."""
        return ", ".join(part for part in (self.sample.composer, self.sample.title) if part)

    @property
    def caption(self) -> str:
        """Return kind and origin in one line: "Continuation 1 · Frédéric Chopin, Ballade No. 1"."""
        name = f"{self.kind.capitalize()} {self.number}"
        return f"{name} · {self.origin}" if self.origin else name

    @property
    def audio_url(self) -> str:
        """Return the address of the sound, relative to the page."""
        return quote(f"audio/{self.name}.mp3")

    @property
    def midi_url(self) -> str:
        """Return the address of the MIDI file, relative to the page."""
        return quote(f"samples/{self.name}.mid")

    @property
    def description(self) -> str:
        """Return what the piano roll shows, in words."""
        pitch = self.notes["pitch"]
        between = f" from {note_name(int(pitch.min()))} to {note_name(int(pitch.max()))}" if len(pitch) else ""
        regions = "".join(
            f"; {self.region_label(region)} from {region.start:.0f} to {region.end:.0f} s"
            for region in self.sample.regions
        )
        return f"Piano roll: {len(pitch)} notes{between} in {self.sample.seconds:.0f} s{regions}."

    def region_label(self, region: Region) -> str:
        """Return the label of a region in the piano roll."""
        return "original" if self.kind == "original" else region.kind

    def button_label(self, region: Region) -> str:
        """Return the label of the button that plays the part of interest."""
        if self.kind == "original":
            return "Play the same part"
        return "Play the end of the prompt" if region.kind == "prompt" else "Play the infill"

    def button_seconds(self, region: Region) -> float:
        """Return where that button starts: shortly before the end of a prompt or the start of an infill."""
        part_of_interest = region.end if region.kind == "prompt" else region.start
        return round(max(0.0, part_of_interest - LEAD_IN_SECONDS), 2)

    def paths(self, scale: RollScale) -> Iterator[NotePath]:
        """Yield the notes as SVG paths."""
        return note_paths(self.notes, scale.high)


@dataclass(frozen=True)
class CardRow:
    """Cards shown next to each other, on one scale."""

    cards: Sequence[SampleCard]
    scale: RollScale


@dataclass(frozen=True)
class SampleGroup:
    """All samples of one kind."""

    heading: str
    explanation: str
    rows: Sequence[CardRow]


def make_row(cards: Sequence[SampleCard]) -> CardRow:
    """Return a row of cards with the scale that fits them all."""
    return CardRow(cards, RollScale.fit([card.notes for card in cards], max(card.sample.seconds for card in cards)))


def group_cards(cards: Sequence[SampleCard]) -> list[SampleGroup]:
    """Group samples by kind, each infill with its original."""
    originals = {card.number: card for card in cards if card.kind == "original"}
    groups = []
    for kind, (heading, explanation) in GROUP_TEXTS.items():
        rows = [[card] for card in cards if card.kind == kind]
        if kind == "infill":
            rows = [[card, originals[card.number]] if card.number in originals else [card] for [card] in rows]
        if rows:
            groups.append(SampleGroup(heading, explanation, [make_row(row) for row in rows]))
    return groups
