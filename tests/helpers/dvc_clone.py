"""Temporary clones of this repository, with a small data set and small settings, to run real dvc in."""

import csv
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import yaml

from tests.helpers.source_analysis import ROOT

# The smallest run in which every stage has something to do.
SMALL = {
    "dataset": "own/small",
    "excerpt": {"max_excerpts": 4, "excerpt_notes": 200},
    "train": {
        "lstm_units": 16,
        "trunk_units": 16,
        "head_units": 16,
        "batch_size": 4,
        "seq_len": 16,
        "epochs": 2,
        "steps_per_epoch": 5,
        "validation_max_notes": 64,
        "max_gap_notes": 8,
    },
    "evaluate": {"infill_gaps": [1]},
    "generate": {
        "improvisations": 1,
        "continuations": 1,
        "infills": 1,
        "sample_notes": 60,
        "prompt_notes": 20,
        "gap_notes": 8,
        "metrics_only_improvisations": 2,
    },
    "render": {"sample_rate": 22050},
    "plot": {"dpi": 50},
}
STAGES = tuple(yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"])


def environment(**more: str) -> dict[str, str]:
    """Return the environment variables of a command in a clone: this Python's programs come first on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "DVC_NO_ANALYTICS": "1"} | more


def run(*command: str, cwd: Path, **more: str) -> subprocess.CompletedProcess:
    """Run a command in a clone, and return its exit status and what it printed."""
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment(**more))


def make(target: str, repository: Path, *variables: str) -> subprocess.CompletedProcess:
    """Run `make target` in a clone, with this Python's programs instead of those that `make setup` would install."""
    return run(
        "make", target, f"VENV={sys.prefix}", f"BIN={sys.prefix}/bin", "--old-file=requirements.txt",
        f"--old-file={sys.prefix}/requirements", *variables, cwd=repository,
    )  # fmt: skip


def clone(target: Path) -> Path:
    """Copy the working tree as it stands, uncommitted changes included, into a git repository of its own."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        bundled = name.startswith(".dvc/bundled/")
        if (ROOT / name).is_file() and name != "dvc.lock" and not bundled:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes((ROOT / name).read_bytes())
    for command in (["init", "-q"], ["config", "user.name", "t"], ["config", "user.email", "t@localhost"]):
        assert run("git", *command, cwd=target).returncode == 0
    return target


def commit(repository: Path) -> None:
    """Commit everything that git does not ignore."""
    assert run("git", "add", "-A", cwd=repository).returncode == 0
    assert run("git", "commit", "-qm", "as it stands", cwd=repository).returncode == 0


def small_dataset(target: Path, train: int = 8) -> None:
    """Make a data set of a few études: `train` to train on, two each to validate and to test."""
    target.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(ROOT / "data/etudes/etudes.zip") as whole:
        table = whole.read("etudes-v1/etudes-v1.csv").decode("utf-8")
        rows = list(csv.DictReader(io.StringIO(table)))
        wanted = {"train": train, "validation": 2, "test": 2}
        chosen = [row for split, count in wanted.items() for row in [r for r in rows if r["split"] == split][:count]]
        text = io.StringIO()
        writer = csv.DictWriter(text, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(chosen)
        files = {f"etudes-v1/{row['midi_filename']}": whole.read(f"etudes-v1/{row['midi_filename']}") for row in chosen}
    files["etudes-v1/etudes-v1.csv"] = text.getvalue().encode("utf-8")
    with zipfile.ZipFile(target / "small.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # without the date, so that its bytes are always the same
    sums = sorted((name, hashlib.sha256(content).hexdigest()) for name, content in files.items())
    (target / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for name, digest in sums), encoding="utf-8")
    entry = yaml.safe_load((ROOT / "data/etudes/dataset.yaml").read_text(encoding="utf-8"))
    entry |= {
        "name": "small",
        "archive": "small.zip",
        "sha256": hashlib.sha256((target / "small.zip").read_bytes()).hexdigest(),
        "unpacked_bytes": sum(map(len, files.values())),
    }
    (target / "dataset.yaml").write_text(yaml.safe_dump(entry, allow_unicode=True), encoding="utf-8")


def change(repository: Path, **changes) -> None:
    """Set params; a section's keys are given as a dict."""
    path = repository / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key, value in changes.items():
        params[key] = params[key] | value if isinstance(value, dict) else value
    path.write_text(yaml.safe_dump(params), encoding="utf-8")


def small_clone(target: Path, **changes) -> Path:
    """Make a clone with the cut-down data set and SMALL settings, `changes` on top of them, committed."""
    repository = clone(target)
    small_dataset(repository / "data/own/small")
    change(repository, **SMALL)
    change(repository, **changes)
    commit(repository)
    return repository


def committed_copy(repository: Path, target: Path) -> Path:
    """Copy a clone with its cache, and commit what was made in it; the clone itself stays as it is."""
    shutil.copytree(repository, target, ignore=shutil.ignore_patterns("tmp"), dirs_exist_ok=True)
    commit(target)
    return target


def fresh_clone(repository: Path, target: Path) -> Path:
    """Run `git clone`: the new clone has what is in git, and nothing that DVC keeps."""
    assert run("git", "clone", "-q", str(repository), str(target), cwd=repository).returncode == 0
    for command in (["config", "user.name", "t"], ["config", "user.email", "t@localhost"]):
        assert run("git", *command, cwd=target).returncode == 0
    return target


def changed_stages(repository: Path) -> set[str]:
    """Return the stages of which `dvc status` says that something they depend on has changed."""
    status = json.loads(run("dvc", "status", "--json", cwd=repository).stdout)
    return {name for name in status if name in STAGES}
