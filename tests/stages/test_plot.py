"""The stage: from a folder of reports to figures and a page, the same bytes each time, or one clear line."""

import json
import shutil
from pathlib import Path

import pytest

from stages import plot
from stages.utils.errors import InputError
from stages.utils.params import Params, load_params
from tests.helpers import sample_reports
from tests.helpers.source_analysis import ROOT


@pytest.fixture
def params(tmp_path, monkeypatch) -> Params:
    monkeypatch.chdir(tmp_path)
    Path("data/maestro").mkdir(parents=True)
    shutil.copy(ROOT / "data/maestro/dataset.yaml", "data/maestro")
    Path("data/My <music>").mkdir()
    plot.NOTEBOOK.parent.mkdir(parents=True)
    plot.NOTEBOOK.write_text(json.dumps({"played": sample_reports.notebook()}), encoding="utf-8")
    loaded = load_params(ROOT / "params.yaml")
    small = loaded.plot.model_copy(update={"dpi": 50})
    return loaded.model_copy(update={"dataset": "maestro", "plot": small})


def written() -> dict[str, bytes]:
    files = [plot.PAGE, *plot.FIGURES.iterdir()]
    return {file.name: file.read_bytes() for file in files}


def test_writes_a_figure_of_each_kind_and_the_page_and_nothing_else(params):
    sample_reports.write(plot.REPORTS)
    before = {file for file in Path().rglob("*") if file.is_file()}
    plot.main(params)
    rolls = {f"roll-{kind}-1.png" for kind in ("improvisation", "continuation", "filling", "original")}
    assert set(written()) == {"index.html", "loss.png", "distributions.png"} | rolls
    assert {file for file in Path().rglob("*") if file.is_file()} - before == {plot.PAGE, *plot.FIGURES.iterdir()}
    html = plot.PAGE.read_text(encoding="utf-8")
    assert "MAESTRO v3.0.0" in html and "CC BY-NC-SA" in html and "Music Transformer" in html
    for four in (params.generate.top_p, params.generate.min_p):
        assert f"<td>{', '.join(f'{value:g}' for value in four)}</td>" in html
    assert "The notebook" in html


def test_a_second_time_gives_the_same_bytes_and_no_leftovers(params):
    sample_reports.write(plot.REPORTS)
    plot.main(params)
    first = written()
    (plot.FIGURES / "roll-of-an-older-run.png").write_bytes(b"")
    plot.main(params)
    assert written() == first
    assert str(Path().resolve()).encode() not in first["index.html"]


def test_your_own_music_is_called_by_its_folder(params):
    sample_reports.write(plot.REPORTS)
    plot.main(params.model_copy(update={"dataset": "My <music>"}))
    html = plot.PAGE.read_text(encoding="utf-8")
    assert "My &lt;music&gt;" in html and "My <music>" not in html and "Music Transformer" not in html
    assert "The notebook" not in html


def test_a_run_without_samples_still_has_its_page(params):
    excerpts = {"notes": 0, "generated": 0, "test": 9, "validation": 9}
    sample_reports.write(plot.REPORTS, entries=[], similarity=sample_reports.similarity() | {"excerpts": excerpts})
    plot.main(params)
    assert set(written()) == {"index.html", "loss.png", "distributions.png"}


@pytest.mark.parametrize("file", ["audio/filling-1.mp3", "samples/continuation-1.mid"])
def test_a_missing_sound_or_midi_file_is_named(params, file):
    sample_reports.write(plot.REPORTS)
    (plot.REPORTS / file).unlink()
    with pytest.raises(InputError, match=rf"{file}: not found.*dvc repro"):
        plot.main(params)
