"""Experiments: in the workspace, aside, and as a queued sweep; what each leaves where it was called."""

import json
from pathlib import Path

import pytest

from tests.helpers.dvc_clone import commit, committed_copy, fresh_clone, make, run, small_clone

REMARK = "# what somebody thinks of these settings\n"
COMPARED = {
    f"reports/{name}"
    for name in ("sample_nll.csv", "overlap.json", "overlap.csv", "descriptors.csv", "distributions.csv")
}


@pytest.fixture(scope="module")
def repository(rebuilt, tmp_path_factory) -> Path:
    """A clone with a committed run, and a remark in its params.yaml."""
    target = committed_copy(rebuilt[0], tmp_path_factory.mktemp("experiments"))
    with (target / "params.yaml").open("a", encoding="utf-8") as params:
        params.write(REMARK)
    commit(target)
    return target


def dvc(*command: str, cwd: Path) -> str:
    result = run("dvc", *command, cwd=cwd)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


def status(repository: Path) -> set[str]:
    """What git sees as changed or new."""
    return {line[3:] for line in run("git", "status", "--porcelain", cwd=repository).stdout.splitlines()}


def experiments(repository: Path) -> dict[str, dict]:
    """What `dvc exp show` has of each, by name."""
    _workspace, head = json.loads(dvc("exp", "show", "--json", cwd=repository))
    found = [experiment for entry in head["experiments"] or [] for experiment in entry["revs"]]
    return {experiment["name"]: experiment["data"] for experiment in found}


def samples(repository: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (repository / "reports/samples").iterdir()}


def setting(experiment: dict, section: str, key: str):
    return experiment["params"]["params.yaml"]["data"][section][key]


@pytest.fixture(scope="module")
def safer(repository) -> tuple[set[str], dict[str, bytes]]:
    """What an experiment of that name left in the workspace: the files that git saw as changed, and the samples.

    The workspace is as before again.
    """
    dvc("exp", "run", "--name", "safer", "--set-param", "generate.temperature=0.7", "compare", cwd=repository)
    assert (repository / "params.yaml").read_text(encoding="utf-8").endswith(REMARK)
    left = status(repository), samples(repository)
    restore(repository)
    return left


def restore(repository: Path) -> None:
    assert run("git", "restore", ".", cwd=repository).returncode == 0
    dvc("checkout", cwd=repository)


def test_in_the_workspace_settings_and_results_are_left_there_to_be_kept_or_not(repository, rebuilt, safer):
    before = samples(rebuilt[0])
    assert safer[0] == {"params.yaml", "dvc.lock", *COMPARED}
    assert safer[1] != before
    assert setting(experiments(repository)["safer"], "generate", "temperature") == 0.7
    assert samples(repository) == before and status(repository) == set()
    dvc("exp", "apply", "safer", cwd=repository)  # ... and it is there again, without being run
    assert samples(repository) == safer[1]
    restore(repository)


def test_an_ablation_runs_aside_and_makes_nothing_anew_but_the_model(repository):
    before = samples(repository), (repository / "models/bilstm.keras").read_bytes()
    for train in ("Running stage 'train'", "Stage 'train' is cached"):  # the second takes the place of the first
        result = make("no-augmentation", repository, "ABLATION_BUDGET=train.epochs=1")
        assert result.returncode == 0, result.stderr[-3000:]
        assert train in result.stdout
        assert result.stdout.count("Running stage") == train.count("Running stage")
        assert setting(experiments(repository)["no-augmentation"], "train", "transpose_semitones") == 0
        assert status(repository) == set()
        assert (samples(repository), (repository / "models/bilstm.keras").read_bytes()) == before


def test_a_queued_sweep_runs_aside_and_its_best_becomes_a_branch(repository):
    before = samples(repository)
    sweep = ["exp", "run", "--queue", "--set-param", "generate.seed=5,6", "compare"]
    assert dvc(*sweep, cwd=repository).count("Queued experiment") == 2
    assert status(repository) == set()
    dvc("exp", "run", "--run-all", cwd=repository)
    assert status(repository) == set()
    assert samples(repository) == before
    found = {setting(data, "generate", "seed"): (name, data) for name, data in experiments(repository).items()}
    assert {5, 6} <= set(found)
    reports = {seed: found[seed][1]["metrics"]["reports/overlap.json"]["data"] for seed in (5, 6)}
    assert reports[5] != reports[6]

    dvc("exp", "branch", found[6][0], "sixth", cwd=repository)
    assert status(repository) == set()
    assert run("git", "checkout", "-q", "sixth", cwd=repository).returncode == 0
    dvc("checkout", cwd=repository)
    assert json.loads((repository / "reports/overlap.json").read_text(encoding="utf-8")) == reports[6]
    assert samples(repository) != before
    assert "up to date" in dvc("status", "compare", cwd=repository)
    assert status(repository) == set()
    assert run("git", "checkout", "-q", "-", cwd=repository).returncode == 0  # for the other tests
    dvc("checkout", cwd=repository)


def test_a_clean_clone_needs_nothing_more_for_a_sweep(tmp_path):
    """A queue from the download on, where nothing was ever run, pulled or made."""
    clone = fresh_clone(small_clone(tmp_path / "origin"), tmp_path / "clone")
    dvc("exp", "run", "--queue", "--set-param", "extract.max_unreadable_fraction=0,0.5", "extract", cwd=clone)
    dvc("exp", "run", "--run-all", cwd=clone)
    assert status(clone) == set()
    assert not (clone / "data/raw").exists() and not (clone / "data/notes").exists()
    found = experiments(clone).values()
    assert {setting(data, "extract", "max_unreadable_fraction") for data in found} == {0, 0.5}
    assert all(data["metrics"]["reports/corpus.json"]["data"]["pieces"] == 12 for data in found)


def test_own_music_that_git_and_dvc_do_not_know_is_refused_in_one_line_and_runs_once_they_do(tmp_path):
    clone = small_clone(tmp_path)
    assert run("git", "rm", "-rq", "--cached", "data/own/small", cwd=clone).returncode == 0
    assert run("git", "commit", "-qm", "own music is untracked", cwd=clone).returncode == 0
    aside = ["exp", "run", "--temp", "extract"]
    refused = run("dvc", *aside, cwd=clone)
    assert refused.returncode != 0 and not experiments(clone)
    (line,) = {line for line in refused.stderr.splitlines() if line.startswith("error: ")}
    assert "`dvc add data/own/small` or `git add data/own/small`, then run the experiment again" in line
    assert "or run it with `--copy-paths data/own/small`" in line
    dvc("exp", "run", "--queue", "--name", "queued", "extract", cwd=clone)
    queue = make("run-queue", clone)
    assert queue.returncode != 0 and "these experiments failed; `dvc queue logs NAME` tells why" in queue.stderr
    assert "queued" in queue.stderr
    dvc("queue", "remove", "--failed", cwd=clone)
    assert make("run-queue", clone).returncode == 0
    copied = ["--copy-paths", "data/own/small", "extract"]
    dvc("exp", "run", "--temp", "--name", "copied", *copied, cwd=clone)
    dvc("exp", "run", "--queue", "--name", "queued-and-copied", *copied, cwd=clone)
    assert make("run-queue", clone).returncode == 0
    for name in ("copied", "queued-and-copied"):
        assert experiments(clone)[name]["metrics"]["reports/corpus.json"]["data"]["pieces"] == 12
    for add in (["git", "add"], ["dvc", "add"]):
        assert run(*add, "data/own/small", cwd=clone).returncode == 0
        dvc(*aside, "--name", f"known-to-{add[0]}", cwd=clone)
        assert experiments(clone)[f"known-to-{add[0]}"]["metrics"]["reports/corpus.json"]["data"]["pieces"] == 12
        assert run("git", "reset", "-q", cwd=clone).returncode == 0


def test_the_tables_of_metrics_and_experiments_fit_120_columns(repository, safer):
    """A run's metrics are the figures by which people choose; what `dvc exp show` adds is what changed."""
    for command in (["metrics", "show"], ["exp", "show", "--only-changed", "--no-pager"]):
        printed = run("dvc", *command, cwd=repository, COLUMNS="120").stdout
        assert max(map(len, printed.splitlines())) <= 120, printed
        assert "overlap" in printed, printed
        if command[0] == "metrics":
            names = {"pieces", "notes", "loss", "val_nll", "test_nll", "infill_nll", "overlap", "ceiling", "copied"}
            assert set(printed.splitlines()[0].split()) == {"Path", *names}
