"""Cards name their sample, and infills stand next to their originals."""

from stages.report.sample_card import SampleCard, group_cards
from stages.samples.sample_set import Region
from tests.helpers import sample_reports


def cards() -> list[SampleCard]:
    return [SampleCard(sample, sample_reports.notes()) for sample in sample_reports.samples()]


def test_headings_and_captions_name_kind_and_origin():
    improvisation, continuation, _, original = cards()
    assert (improvisation.heading, improvisation.caption, improvisation.origin) == (
        "Improvisation 1",
        "Improvisation 1",
        "",
    )
    assert continuation.caption == f"Continuation 1 · {sample_reports.COMPOSER}, {sample_reports.TITLE}"
    assert (original.heading, original.accessible_name) == ("The original", "The original of infill 1")


def test_a_description_says_what_the_roll_shows():
    _, continuation, infill, original = cards()
    assert continuation.description == "Piano roll: 24 notes from C3 to B4 in 8 s; prompt from 0 to 4 s."
    assert "; infill from 2 to 4 s" in infill.description and "; original from 2 to 4 s" in original.description
    empty = sample_reports.card(sample_reports.notes().head(0), seconds=0.0)
    assert empty.description == "Piano roll: 0 notes in 0 s."


def test_buttons_start_shortly_before_the_part_of_interest():
    card = sample_reports.card()
    assert card.button_seconds(Region("prompt", 0.5, 4)) == 2
    assert card.button_seconds(Region("infill", 3.25, 9)) == 1.25
    assert card.button_seconds(Region("infill", 1, 9)) == 0


def test_addresses_are_quoted():
    card = sample_reports.card(name="a b#1")
    assert (card.audio_url, card.midi_url) == ("audio/a%20b%231.mp3", "samples/a%20b%231.mid")


def test_groups_are_by_kind_and_an_infill_shares_its_scale_with_its_original():
    notes = sample_reports.notes()
    later = notes.assign(pitch=notes["pitch"] + 30, start=notes["start"] + 3)
    group, *rest = group_cards(
        [
            sample_reports.card(notes, name="infill-7", kind="infill"),
            sample_reports.card(later, name="original-7", kind="original"),
            sample_reports.card(notes, name="infill-8", kind="infill"),
        ]
    )
    assert group.heading == "Infills" and not rest
    assert [[card.name for card in row.cards] for row in group.rows] == [["infill-7", "original-7"], ["infill-8"]]
    assert [row.scale.seconds for row in group.rows] == [11, 8]
    assert [group.heading for group in group_cards(cards())] == ["Improvisations", "Continuations", "Infills"]
