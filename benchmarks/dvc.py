"""Time DVC when there is nothing to do, in this pipeline and in an empty one with as many stages.

    python -m benchmarks.dvc [--repeats 5]

Needs a finished run: every out of dvc.yaml in its place. Copies the checkout with its outs to a temporary folder and
commits the outs to DVC there. In the empty pipeline every stage depends on one file of a byte and makes another one.
Measures, in turn:

- `dvc repro` and `dvc status` in both pipelines, neither of which finds anything to do;
- `dvc status` of the raw data when DVC has forgotten its hashes, less the same when it knows them; and the MD5 of the
  same files.

Prints the result, in seconds, and writes it to benchmarks/results/dvc.json.
"""

import argparse
import hashlib
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import yaml

from benchmarks.measurement import ROOT, elapsed_seconds, measure_in_turn, median_ratio, summarize, write_result

COMMANDS = ("repro", "status")


def main() -> None:
    """Take all measurements and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()

    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    with tempfile.TemporaryDirectory() as folder:
        pipelines = {"ours": Path(folder, "ours"), "empty": Path(folder, "empty")}
        _copy_pipeline(stages, pipelines["ours"])
        _make_empty_pipeline(len(stages), pipelines["empty"])
        raw_files = [path for path in (pipelines["ours"] / "data/raw").rglob("*") if path.is_file()]
        cases = {
            f"{name}, {command}": partial(_time_dvc, repository, command)
            for command in COMMANDS
            for name, repository in pipelines.items()
        }
        cases["nothing"] = partial(_time_dvc, pipelines["ours"], "--version")
        cases |= _hashing_cases(pipelines["ours"], raw_files, Path(folder))
        seconds = measure_in_turn(cases, arguments.repeats)
        raw_bytes = sum(path.stat().st_size for path in raw_files)
    hashing = [cold - warm for cold, warm in zip(seconds["raw, forgotten"], seconds["raw, known"], strict=True)]
    result = {
        "stages": len(stages),
        "seconds": {name: summarize(values) for name, values in seconds.items()},
        "times_the_empty_pipeline": {
            command: median_ratio(seconds[f"ours, {command}"], seconds[f"empty, {command}"]) for command in COMMANDS
        },
        "raw_data": {
            "files": len(raw_files),
            "mb": round(raw_bytes / 1e6),
            "hashing_seconds": summarize(hashing),
        },
    }
    write_result("dvc", result, "dvc", "dvc-data", "dvc-objects")


def _hashing_cases(repository: Path, files: list[Path], folder: Path) -> dict:
    # DVC keeps the hashes of files it has seen in its site cache, so an empty site cache has forgotten them.
    site_caches = (folder / f"site-{number}" for number in itertools.count())

    def compute_md5() -> None:
        for path in files:
            hashlib.md5(path.read_bytes())

    return {
        "raw, forgotten": lambda: _time_dvc(repository, "status", "download", site_cache=next(site_caches)),
        "raw, known": partial(_time_dvc, repository, "status", "download"),
        "raw, MD5": partial(elapsed_seconds, compute_md5),
    }


def _copy_pipeline(stages: dict[str, dict], target: Path) -> None:
    _run("git", "clone", "--quiet", str(ROOT), str(target))
    outs = [
        out if isinstance(out, str) else next(iter(out)) for stage in stages.values() for out in stage.get("outs", [])
    ]
    for out in outs:
        source, copy = ROOT / out, target / out
        if not source.exists():
            sys.exit(f"{out} is missing; `dvc repro` makes it")
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, dirs_exist_ok=True)
        else:
            shutil.copy(source, copy)
    _run("dvc", "commit", "--force", "--quiet", cwd=target)
    _check_up_to_date(target)


def _make_empty_pipeline(num_stages: int, target: Path) -> None:
    target.mkdir()
    stages = {
        f"stage-{number}": {
            "cmd": f"echo > out-{number}",
            "deps": ["in" if number == 0 else f"out-{number - 1}"],
            "outs": [f"out-{number}"],
        }
        for number in range(num_stages)
    }
    (target / "in").write_text("0", encoding="utf-8")
    (target / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}), encoding="utf-8")
    _run("git", "init", "--quiet", cwd=target)
    _run("dvc", "init", "--quiet", cwd=target)
    shutil.copy(ROOT / ".dvc/config", target / ".dvc/config")
    _run("dvc", "repro", "--quiet", cwd=target)
    _check_up_to_date(target)


def _check_up_to_date(repository: Path) -> None:
    # `dvc status` exits with 0 whatever it finds, but with --quiet its exit status tells.
    if subprocess.run(_command("dvc", "status", "--quiet"), cwd=repository).returncode:
        sys.exit(f"dvc status in {repository} finds something to do")


def _time_dvc(repository: Path, *command: str, site_cache: Path | None = None) -> float:
    environment = os.environ | ({"DVC_SITE_CACHE_DIR": str(site_cache)} if site_cache else {})
    return elapsed_seconds(partial(_run, "dvc", *command, cwd=repository, env=environment))


def _run(program: str, *arguments: str, **options) -> None:
    subprocess.run(_command(program, *arguments), check=True, stdout=subprocess.DEVNULL, **options)


def _command(program: str, *arguments: str) -> list[str]:
    # DVC runs as a module, since its program need not be on the path.
    return [sys.executable, "-m", "dvc", *arguments] if program == "dvc" else [program, *arguments]


if __name__ == "__main__":
    main()
