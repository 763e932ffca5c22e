"""A stage that is killed, fills the disk or meets another run leaves nothing to be taken for good, and loses nothing.

Training has a module of its own, test_interruption.
"""

import hashlib
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.dvc_clone import STAGES as ALL_STAGES
from tests.helpers.dvc_clone import environment, run

EXTRACTED = ["corpus.json", "splits.csv", "quantiles.csv", "unreadable.csv"]
COMPARED = ["overlap.json", "overlap.csv", "descriptors.csv", "distributions.csv"]
STAGES = {
    "download": ["data/raw"],
    "extract": ["data/notes", *(f"reports/{name}" for name in EXTRACTED)],
    "excerpt": ["data/excerpts"],
    "evaluate": ["reports/nll.json", "reports/nll.csv"],
    "generate": ["reports/samples", "reports/sample_nll.csv"],
    "compare": [f"reports/{name}" for name in COMPARED],
    "render": ["reports/audio"],
    "plot": ["reports/figures", "reports/index.html"],
}
# Loaded by every Python that a killed stage starts: ends the stage's own process as it is about to write, rename or
# remove its n-th file.
ASSASSIN = """
import os, signal, sys
place, left = os.getcwd(), int(os.environ["KILLED_AT"])

def watch(event, given):
    global left
    writes = event == "open" and isinstance(given[1], str) and set(given[1]) & set("wxa+")
    if not writes and event not in ("os.rename", "os.mkdir", "os.remove"):
        return
    if not isinstance(given[0], (str, os.PathLike)) or "__pycache__" in (path := os.path.abspath(given[0])):
        return
    if path.startswith(place):
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

if sys.orig_argv[-2:] == ["stages", os.environ["KILLED"]]:
    sys.addaudithook(watch)
"""


def content(repository: Path, outs: list[str]) -> dict[str, str]:
    """A hash of every file of `outs`."""
    files = [path for out in outs for path in [repository / out, *(repository / out).rglob("*")] if path.is_file()]
    return {str(path.relative_to(repository)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


# The file at which each is killed; evaluate writes as compare does.
MOMENTS = {
    "download": 20,
    "extract": 4,
    "excerpt": 4,
    "generate": 5,
    "compare": 2,
    "render": 2,
    "plot": 4,
}


def test_stages_killed_while_they_write_are_made_good_to_the_byte(rebuilt, tmp_path):
    """Each killed at the n-th file it is about to write: the next run ends with what an undisturbed one has made.

    That run makes everything anew, and not from the run cache, which would hide what stages make of leavings.
    """
    repository, _ = rebuilt

    def committed() -> str:
        """What a commit of everything would hold, without making one."""
        index = {"GIT_INDEX_FILE": str(tmp_path / "index")}
        assert run("git", "add", "-A", cwd=repository, **index).returncode == 0
        return run("git", "write-tree", cwd=repository, **index).stdout

    (tmp_path / "sitecustomize.py").write_text(ASSASSIN, encoding="utf-8")
    lock, tree = (repository / "dvc.lock").read_bytes(), committed()
    before = {stage: content(repository, outs) for stage, outs in STAGES.items()}
    anew = ["dvc", "repro", "--force", "--no-run-cache"]
    for stage in reversed(MOMENTS):  # a stage needs what those before it have made
        at = {"PYTHONPATH": str(tmp_path), "KILLED": stage, "KILLED_AT": str(MOMENTS[stage])}
        killed = run(*anew, "--single-item", stage, cwd=repository, **at)
        assert killed.returncode != 0, f"{stage} ended before it was killed"
        assert content(repository, STAGES[stage]) != before[stage], stage
        assert (repository / "dvc.lock").read_bytes() == lock, stage
    again = run(*anew, cwd=repository)
    assert again.returncode == 0, again.stderr[-3000:]
    assert again.stdout.count("Running stage") == len(ALL_STAGES)
    assert list(repository.glob("**/*.part")) == []
    assert {stage: content(repository, outs) for stage, outs in STAGES.items()} == before
    assert (repository / "dvc.lock").read_bytes() == lock
    assert committed() == tree != ""


@pytest.mark.parametrize("stage", ["extract", "train", "compare", "render", "plot"])
def test_a_full_disk_is_one_line_and_what_was_there_stays(rebuilt, stage):
    """The disk is full after two hundred bytes of a file."""
    repository, _ = rebuilt
    outs = [out for outs in STAGES.values() for out in outs] + [
        "models/bilstm.keras",
        "reports/loss.json",
        "reports/loss.csv",
    ]
    before, parts = content(repository, outs), set(repository.glob("**/*.part"))  # of what was killed above
    result = subprocess.run(
        [sys.executable, "stages", stage],
        cwd=repository,
        env=environment(PYTHONDONTWRITEBYTECODE="1"),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200)),
    )
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    line = result.stderr.strip().splitlines()[-1]
    assert line.startswith("error: ") and "File too large" in line
    assert content(repository, outs) == before
    assert set(repository.glob("**/*.part")) <= parts


def test_a_second_run_in_the_same_clone_is_refused(rebuilt):
    repository, _ = rebuilt
    first = subprocess.Popen(
        ["dvc", "repro", "--force", "--single-item", "evaluate"],
        cwd=repository,
        env=environment(),
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in first.stdout:
        if "stages/run.sh evaluate" in line:
            break
    second = run("dvc", "repro", "--force", "--single-item", "evaluate", cwd=repository)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert second.returncode != 0
    assert "busy" in second.stderr and "Traceback" not in second.stderr
    after = run("dvc", "repro", cwd=repository)
    assert after.returncode == 0, after.stderr[-3000:]
