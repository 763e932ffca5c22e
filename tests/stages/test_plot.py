"""The stage plot draws a folder of reports: the same bytes each time, or one clear line of error."""

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

import matplotlib
import pytest

from stages import plot
from stages.params.plot import PlotParams
from stages.report.formatting import format_param
from stages.utils import paths
from stages.utils.errors import InputError
from stages.utils.params_file import read_sections
from tests.helpers import sample_reports
from tests.helpers.source_analysis import ROOT


def prepare() -> dict[str, Any]:
    """Put two data sets into the working directory; return the sections of params.yaml that the stage reads."""
    Path("data/maestro").mkdir(parents=True)
    shutil.copy(ROOT / "data/maestro/dataset.yaml", "data/maestro")
    Path("data/own/My <music>").mkdir(parents=True)
    plot.NOTEBOOK.parent.mkdir(parents=True)
    plot.NOTEBOOK.write_text(json.dumps({"played": sample_reports.notebook()}), encoding="utf-8")
    sections = {"dataset": str, "train": dict[str, Any], "generate": dict[str, Any]}
    return read_sections(ROOT / "params.yaml", **sections) | {"dataset": "maestro", "plot": PlotParams(dpi=50)}


@pytest.fixture
def params(tmp_path, monkeypatch) -> dict[str, Any]:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return prepare()


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> tuple[Path, dict[str, Any], set[Path]]:
    """A folder in which the stage has run, the sections that it got, and the files that were there before."""
    folder = tmp_path_factory.mktemp("drawn")
    with contextlib.chdir(folder):
        params = prepare()
        sample_reports.write(paths.REPORTS)
        before = all_files()
        plot.main(**params)
    return folder, params, before


def outputs() -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in [paths.PAGE, *paths.FIGURES.iterdir()]}


def all_files() -> set[Path]:
    return {file for file in Path().rglob("*") if file.is_file()}


def test_writes_the_figures_and_the_page_and_nothing_else(drawn, monkeypatch):
    folder, _, before = drawn
    monkeypatch.chdir(folder)
    rolls = {f"roll-{kind}-1.png" for kind in ("improvisation", "continuation", "infill", "original")}
    assert set(outputs()) == {"index.html", "loss.png", "distributions.png"} | rolls
    assert all_files() - before == {paths.PAGE, *paths.FIGURES.iterdir()}


def test_the_page_names_the_data_set_and_shows_published_results_for_it(drawn):
    html = (drawn[0] / paths.PAGE).read_text(encoding="utf-8")
    assert "MAESTRO v3.0.0" in html and "CC BY-NC-SA" in html and "Music Transformer" in html
    assert "The notebook" in html
    assert "<dd>12,345<small>parameters" in html  # the sum of parameters.csv
    assert "<dd>4 of 5<small>stopped early" in html


def test_every_param_of_training_and_generation_is_shown(drawn):
    folder, params, _ = drawn
    html = (folder / paths.PAGE).read_text(encoding="utf-8")
    shown = params["train"] | params["generate"]
    assert len(shown) > 30
    for name, value in shown.items():
        assert f'<th scope="row">{name}</th><td>{format_param(value)}</td>' in html


@pytest.mark.slow
def test_a_second_run_gives_the_same_bytes_and_removes_old_figures(drawn, tmp_path, monkeypatch):
    folder, params, _ = drawn
    monkeypatch.chdir(folder)
    first = outputs()
    monkeypatch.chdir(shutil.copytree(folder, tmp_path / "copy"))
    (paths.FIGURES / "roll-of-an-older-run.png").write_bytes(b"")
    # What a matplotlibrc in the user's home may say.
    with matplotlib.rc_context({"axes.facecolor": "black", "savefig.dpi": 30, "font.size": 20, "lines.color": "red"}):
        plot.main(**params)
    assert outputs() == first
    assert str(folder).encode() not in first["index.html"]


def test_characters_that_no_font_has_are_named_in_one_line(params, capsys):
    sample_reports.write(paths.REPORTS)
    samples = paths.SAMPLES / "samples.json"
    title = json.dumps(sample_reports.TITLE, ensure_ascii=False)
    samples.write_text(samples.read_text("utf-8").replace(title, json.dumps("\U000e0fff \n")), "utf-8")
    plot.main(**params)
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "titles in figures: no font here has \\U000e0fff\\n, so \ufffd stands in their place; install"
    )


def test_a_folder_of_midi_files_is_called_by_its_name(params):
    sample_reports.write(paths.REPORTS)
    plot.main(**params | {"dataset": "own/My <music>"})
    html = paths.PAGE.read_text(encoding="utf-8")
    assert "My &lt;music&gt;" in html and "My <music>" not in html and "Music Transformer" not in html
    assert "The notebook" not in html


def test_a_run_without_samples_still_has_a_page(params):
    sample_reports.write(paths.REPORTS, some_samples=[], descriptors=sample_reports.descriptors(excerpts=0))
    plot.main(**params)
    assert set(outputs()) == {"index.html", "loss.png", "distributions.png"}


@pytest.mark.parametrize("file", ["audio/infill-1.mp3", "samples/continuation-1.mid"])
def test_a_missing_sound_or_midi_file_is_named(params, file):
    sample_reports.write(paths.REPORTS)
    (paths.REPORTS / file).unlink()
    with pytest.raises(InputError, match=rf"{file}: not found.*dvc repro"):
        plot.main(**params)


def test_a_missing_table_is_named(params):
    sample_reports.write(paths.REPORTS)
    (paths.REPORTS / "overlap.csv").unlink()
    with pytest.raises(InputError, match=r"reports/overlap\.csv: not found"):
        plot.main(**params)
