"""The remote that travels with git: a fresh clone plays at once, and works on without the data set."""

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from stages.midi import midi_io
from tests.helpers.dvc_clone import change, fresh_clone, make, run
from tests.helpers.source_analysis import ROOT

BUNDLED = ".dvc/bundled"
MOST = 20_000_000  # bytes


def objects(repository: Path) -> dict[str, Path]:
    """The files of the bundled remote by their hashes."""
    files = [path for path in (repository / BUNDLED).rglob("*") if path.is_file()]
    return {path.parent.name + path.name: path for path in files}


def needed(repository: Path) -> set[str]:
    """The hashes in dvc.lock of the outs that dvc.yaml declares and that are pushed, and of the files in folders."""
    stages = yaml.safe_load((repository / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    pushed = {
        path
        for stage in stages.values()
        for kind in ("outs", "metrics", "plots")
        for out in stage.get(kind, [])
        for path, options in (out.items() if isinstance(out, dict) else [(out, {})])
        if options.get("push") is not False and options.get("cache") is not False
    }
    locked = yaml.safe_load((repository / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    hashes = {out["md5"] for stage in locked.values() for out in stage.get("outs", []) if out["path"] in pushed}
    held = objects(repository)
    inside = {
        entry["md5"]
        for name in hashes
        if name.endswith(".dir") and name in held
        for entry in json.loads(held[name].read_text(encoding="utf-8"))
    }
    return hashes | inside


def ran(printed: str) -> list[str]:
    return re.findall(r"Running stage '(\w+)'", printed)


def test_what_is_made_after_training_is_bundled_and_nothing_else(shared):
    assert set(objects(shared)) == needed(shared)
    assert run("git", "status", "--porcelain", cwd=shared).stdout == ""
    assert set(run("git", "ls-files", BUNDLED, cwd=shared).stdout.split()) == {
        path.relative_to(shared).as_posix() for path in objects(shared).values()
    }


def test_a_fresh_clone_plays_at_once(shared, tmp_path):
    clone = fresh_clone(shared, tmp_path / "some" / "where" / "deep")
    pulled = run("dvc", "pull", "models/bilstm.keras", cwd=clone)
    assert pulled.returncode == 0, pulled.stderr[-3000:]
    assert (clone / "models/bilstm.keras").read_bytes() == (shared / "models/bilstm.keras").read_bytes()
    mine = tmp_path / "mine.mid"
    shutil.copy(shared / "reports/samples/improvisation-1.mid", mine)
    played = run("python", "compose.py", "continue", str(mine), "--seconds", "2", cwd=clone)
    assert played.returncode == 0, played.stderr[-3000:]
    (continued,) = set(tmp_path.glob("*.mid")) - {mine}
    assert len(midi_io.read_midi(continued.read_bytes())["start"]) > len(midi_io.read_midi(mine.read_bytes())["start"])


def test_a_fresh_clone_has_nothing_to_run(shared, tmp_path):
    clone = fresh_clone(shared, tmp_path / "clone")
    result = run("dvc", "repro", "--pull", "--allow-missing", cwd=clone)
    assert result.returncode == 0, result.stderr[-3000:]
    assert ran(result.stdout) == []
    assert run("git", "status", "--porcelain", cwd=clone).stdout == ""


@pytest.fixture(scope="module")
def resampled(shared, tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess]:
    """A fresh clone in which `dvc repro` has run with other settings of `generate`, and what that printed."""
    clone = fresh_clone(shared, tmp_path_factory.mktemp("resampled") / "clone")
    change(clone, generate={"temperature": 0.8})
    return clone, run("dvc", "repro", "--pull", "--allow-missing", cwd=clone)


def test_other_sampling_needs_no_data_set(resampled):
    clone, result = resampled
    assert result.returncode == 0, result.stderr[-3000:]
    assert ran(result.stdout) == ["check", "preflight", "generate", "compare", "render", "plot"]
    assert not (clone / "data/raw").exists() and not (clone / "data/notes").exists()
    changed = run("dvc", "metrics", "diff", "--json", cwd=clone).stdout
    assert set(json.loads(changed)) == {"reports/overlap.json"}


def test_all_that_is_bundled_can_be_pulled(shared, tmp_path):
    clone = fresh_clone(shared, tmp_path / "clone")
    result = run("dvc", "pull", "--allow-missing", cwd=clone)
    assert result.returncode == 0, result.stderr[-3000:]
    for name in ("models/bilstm.keras", "reports/index.html"):
        assert (clone / name).read_bytes() == (shared / name).read_bytes()
    for name in ("reports/audio", "reports/samples", "data/excerpts"):
        files = {path.name: path.read_bytes() for path in (shared / name).iterdir()}
        assert {path.name: path.read_bytes() for path in (clone / name).iterdir()} == files


def test_make_publish_run_in_a_clone_that_holds_little_loses_nothing(resampled, shared):
    clone, _ = resampled
    result = make("publish-run", clone)
    assert result.returncode == 0, result.stdout + result.stderr
    assert set(objects(clone)) == needed(clone) != needed(shared)


def test_make_publish_run_without_what_it_needs_leaves_the_old_one(shared, tmp_path):
    clone = fresh_clone(shared, tmp_path / "clone")
    locked = clone / "dvc.lock"
    md5 = hashlib.md5((shared / "models/bilstm.keras").read_bytes()).hexdigest()
    locked.write_text(locked.read_text(encoding="utf-8").replace(md5, "f" * 32), encoding="utf-8")
    result = make("publish-run", clone)
    assert result.returncode != 0
    assert "f" * 32 in result.stdout
    assert "outs of dvc.lock are missing from the cache and from .dvc/bundled" in result.stdout
    assert objects(clone).keys() == objects(shared).keys()


def test_the_committed_bundle_is_that_of_the_committed_run():
    held = objects(ROOT)
    assert set(held) == needed(ROOT)
    assert sum(path.stat().st_size for path in held.values()) <= MOST
    for name, path in held.items():
        assert hashlib.md5(path.read_bytes()).hexdigest() == name.removesuffix(".dir")
