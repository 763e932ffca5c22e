"""The first stage refuses settings that are each within range but contradict one another, and keys it does not know."""

import pytest

from stages import check
from stages.check import Params
from stages.utils.errors import InputError
from stages.utils.yaml_io import read_yaml
from tests.helpers.source_analysis import ROOT

PARAMS = read_yaml(ROOT / "params.yaml", Params)


def changed(**sections) -> Params:
    return PARAMS.model_copy(
        update={name: getattr(PARAMS, name).model_copy(update=keys) for name, keys in sections.items()}
    )


def test_the_committed_settings_are_consistent():
    check.check_consistency(PARAMS)


@pytest.mark.parametrize(
    "consistent, contradictory, names",
    [
        (
            {"train": {"max_gap_notes": 16}, "evaluate": {"infill_gaps": [4, 16]}},
            {"train": {"max_gap_notes": 15}, "evaluate": {"infill_gaps": [4, 16]}},
            ["evaluate.infill_gaps", "train.max_gap_notes = 15"],
        ),
        (
            {"excerpt": {"excerpt_notes": 301}, "generate": {"prompt_notes": 300, "infills": 0}},
            {"excerpt": {"excerpt_notes": 300}, "generate": {"prompt_notes": 300, "infills": 0}},
            ["generate.prompt_notes = 300", "excerpt.excerpt_notes = 300"],
        ),
        (
            {"excerpt": {"excerpt_notes": 225}, "generate": {"prompt_notes": 100, "gap_notes": 24}},
            {"excerpt": {"excerpt_notes": 224}, "generate": {"prompt_notes": 100, "gap_notes": 24}},
            ["generate.prompt_notes = 100", "generate.gap_notes = 24", "224 notes", "excerpt.excerpt_notes = 224"],
        ),
    ],
)
def test_contradictory_settings_are_named(consistent, contradictory, names):
    check.check_consistency(changed(**consistent))
    with pytest.raises(InputError) as caught:
        check.check_consistency(changed(**contradictory))
    assert str(caught.value).startswith("params.yaml: ") and "\n" not in str(caught.value)
    assert all(name in str(caught.value) for name in names)


def test_settings_of_samples_that_are_not_generated_may_contradict():
    check.check_consistency(
        changed(
            generate={"prompt_notes": 10_000, "continuations": 0, "infills": 0},
            evaluate={"infill_gaps": []},
        )
    )


def test_it_reads_the_file_of_the_working_directory_and_knows_every_section(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (tmp_path / "params.yaml").write_text(text.replace("dataset: maestro", "dataset: own"), encoding="utf-8")
    (tmp_path / "data/own").mkdir(parents=True)
    with pytest.raises(InputError, match=r"^dataset: there are no MIDI files in data/own; put .mid files into"):
        check.main()
    (tmp_path / "data/own/a.mid").write_bytes(b"")
    check.main()
    (tmp_path / "params.yaml").write_text(text + "trian:\n  seed: 1\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"^params\.yaml: trian: unknown key; known here: dataset, extract, excerpt"):
        check.main()
