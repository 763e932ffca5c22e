"""What `generate` would refuse after the training is refused before it."""

import pytest

from stages import preflight
from stages.check import Params
from stages.utils.errors import InputError
from stages.utils.yaml_io import read_yaml
from tests.helpers.excerpts import distinct_fields, write_excerpts
from tests.helpers.source_analysis import ROOT

PARAMS = read_yaml(ROOT / "params.yaml", Params).generate


@pytest.mark.parametrize(
    "enough, too_much, key",
    [
        ({"prompt_notes": 49, "infills": 0}, {"prompt_notes": 50, "infills": 0}, "continuations"),
        ({"prompt_notes": 20, "gap_notes": 9}, {"prompt_notes": 20, "gap_notes": 10}, "infills"),
    ],
)
def test_prompts_and_gaps_must_fit_the_test_music(tmp_path, monkeypatch, enough, too_much, key):
    monkeypatch.chdir(tmp_path)
    write_excerpts(distinct_fields(1, 50))
    before = set(tmp_path.rglob("*"))
    preflight.main(PARAMS.model_copy(update=enough))
    with pytest.raises(InputError, match=f"^generate.{key} = "):
        preflight.main(PARAMS.model_copy(update=too_much))
    assert set(tmp_path.rglob("*")) == before
