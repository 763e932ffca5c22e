"""Prompts and music to infill are the middles of excerpts of test music."""

import pytest

from stages.generation.prompts import take_originals, take_prompts
from stages.utils.errors import InputError
from tests.helpers.excerpts import distinct_fields, write_excerpts


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_excerpts_are_the_middles_of_pieces_evenly_spaced():
    pieces = [distinct_fields(seed, 40 + seed) for seed in range(6)]
    write_excerpts(*pieces, distinct_fields(9, 12))  # the last one is too short
    assert take_prompts(0, 12) == []
    for excerpts in (take_prompts(3, 12), take_originals(3, prompt_notes=4, gap_notes=4)):
        assert [excerpt.title for excerpt in excerpts] == ["Title 1", "Title 3", "Title 5"]
        assert [excerpt.composer for excerpt in excerpts] == ["Composer 1", "Composer 3", "Composer 5"]
        for excerpt, number in zip(excerpts, (1, 3, 5), strict=True):
            first = (40 + number) // 2 - 6
            assert (excerpt.fields == pieces[number][first : first + 12]).all()


def test_without_test_music_the_error_says_what_to_do():
    write_excerpts()
    assert take_prompts(0, 8) == take_originals(0, 8, 4) == []
    with pytest.raises(InputError) as caught:
        take_prompts(2, 8)
    assert str(caught.value) == (
        "generate.continuations = 2: there is no test music to take them from; add files, or raise"
        " extract.test_fraction, or set generate.continuations to 0"
    )


def test_with_test_music_that_is_too_short_the_error_says_by_how_much():
    write_excerpts(distinct_fields(1, 30), distinct_fields(2, 50))
    assert len(take_prompts(1, 49)) == 1
    with pytest.raises(
        InputError, match=r"^generate.continuations = 1: they are taken from more than 50 notes .* has 50;"
    ):
        take_prompts(1, 50)
    with pytest.raises(
        InputError, match=r"^generate.infills = 1: they are taken from more than 50 notes .* lower gener"
    ):
        take_originals(1, 20, 10)
