"""What the first stage says of settings that are each in their range but do not fit together."""

import pytest

from stages import check
from stages.utils import params
from stages.utils.errors import InputError
from tests.helpers.source_analysis import ROOT

PARAMS = params.load_params(ROOT / "params.yaml")


def changed(**sections) -> params.Params:
    return PARAMS.model_copy(
        update={name: getattr(PARAMS, name).model_copy(update=keys) for name, keys in sections.items()}
    )


def test_the_committed_settings_fit():
    check.main(PARAMS)


@pytest.mark.parametrize(
    "fits, does_not, names",
    [
        (
            {"train": {"longest_gap": 16}, "evaluate": {"gaps": [4, 16]}},
            {"train": {"longest_gap": 15}, "evaluate": {"gaps": [4, 16]}},
            ["evaluate.gaps", "train.longest_gap = 15"],
        ),
        (
            {"reference": {"notes": 301}, "generate": {"prompt_notes": 300, "fillings": 0}},
            {"reference": {"notes": 300}, "generate": {"prompt_notes": 300, "fillings": 0}},
            ["generate.prompt_notes = 300", "reference.notes = 300"],
        ),
        (
            {"reference": {"notes": 225}, "generate": {"prompt_notes": 100, "gap_notes": 24}},
            {"reference": {"notes": 224}, "generate": {"prompt_notes": 100, "gap_notes": 24}},
            ["generate.prompt_notes = 100", "generate.gap_notes = 24", "224 notes", "reference.notes = 224"],
        ),
    ],
)
def test_settings_that_do_not_fit_are_named(fits, does_not, names):
    check.main(changed(**fits))
    with pytest.raises(InputError) as caught:
        check.main(changed(**does_not))
    assert str(caught.value).startswith("params.yaml: ") and "\n" not in str(caught.value)
    assert all(name in str(caught.value) for name in names)


def test_what_is_not_played_need_not_fit():
    check.main(changed(generate={"prompt_notes": 10_000, "continuations": 0, "fillings": 0}, evaluate={"gaps": []}))
