"""Two branches with different settings, both run: what DVC says of the difference, also where nothing was pulled."""

import csv
import io
import json
from pathlib import Path

import pytest

from tests.helpers.dvc_clone import change, commit, committed_copy, fresh_clone, run


@pytest.fixture(scope="module")
def both(rebuilt, tmp_path_factory) -> Path:
    """A clone with the branches main and wider, each with its own committed run."""
    repository = committed_copy(rebuilt[0], tmp_path_factory.mktemp("both"))
    for command in (["branch", "-M", "main"], ["checkout", "-q", "-b", "wider"]):
        assert run("git", *command, cwd=repository).returncode == 0
    change(repository, train={"lstm_units": 24})
    result = run("dvc", "repro", "compare", cwd=repository)
    assert result.returncode == 0, result.stderr[-3000:]
    commit(repository)
    return repository


@pytest.fixture(scope="module", params=["where they ran", "in a fresh clone"])
def branches(request, both, tmp_path_factory) -> tuple[Path, str, str]:
    """A clone, and what its two branches are called there."""
    if request.param == "where they ran":
        return both, "main", "wider"
    fresh = fresh_clone(both, tmp_path_factory.mktemp("fresh") / "clone")
    assert not (fresh / ".dvc/cache").exists() and not (fresh / "models/bilstm.keras").exists()
    return fresh, "origin/main", "origin/wider"


def difference(kind: str, branches: tuple[Path, str, str]) -> dict:
    repository, *names = branches
    result = run("dvc", kind, "diff", *names, "--json", cwd=repository)
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout)


def test_the_difference_in_settings_is_the_one_that_was_made(branches):
    assert difference("params", branches) == {"params.yaml": {"train.lstm_units": {"old": 16, "new": 24, "diff": 8}}}


def test_the_difference_in_metrics_is_that_of_the_committed_reports(branches):
    found = difference("metrics", branches)
    repository, *names = branches
    for report, key in (("loss", "loss"), ("overlap", "overlap")):
        old, new = (
            json.loads(run("git", "show", f"{name}:reports/{report}.json", cwd=repository).stdout)[key]
            for name in names
        )
        assert old != new
        change = found[f"reports/{report}.json"][key]
        assert (change["old"], change["new"]) == (old, new)
    assert "reports/corpus.json" not in found  # the same music


def test_the_difference_in_metrics_fits_a_screen(branches):
    repository, *names = branches
    printed = run("dvc", "metrics", "diff", *names, cwd=repository, COLUMNS="120").stdout.splitlines()
    assert 3 <= len(printed) <= 24 and max(map(len, printed)) <= 120


def test_the_plots_show_both(branches, tmp_path):
    repository, *names = branches
    result = run("dvc", "plots", "diff", *names, "--json", "--out", str(tmp_path), cwd=repository)
    assert result.returncode == 0, result.stderr[-3000:]
    (plot,) = json.loads(result.stdout)["data"]["loss"]
    curves = {}
    for name in names:
        table = csv.DictReader(io.StringIO(run("git", "show", f"{name}:reports/loss.csv", cwd=repository).stdout))
        curves[name] = [row["validation_loss"] for row in table]
        points = [point for point in plot["content"]["data"]["values"] if point["rev"] == name]
        assert [point["dvc_inferred_y_value"] for point in points if point["field"] == "validation_loss"] == curves[
            name
        ]
    assert curves[names[0]] != curves[names[1]]


def test_the_other_branch_is_checked_out_not_run_again(both, rebuilt):
    for command in (["git", "checkout", "-q", "main"], ["dvc", "checkout"]):
        assert run(*command, cwd=both).returncode == 0
    for name in ("models/bilstm.keras", "reports/samples/improvisation-1.mid", "reports/audio/improvisation-1.mp3"):
        assert (both / name).read_bytes() == (rebuilt[0] / name).read_bytes()
    assert "Data and pipelines are up to date." in run("dvc", "status", cwd=both).stdout
    assert run("git", "status", "--porcelain", cwd=both).stdout == ""
