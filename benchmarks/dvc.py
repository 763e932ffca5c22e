"""What DVC costs where there is nothing to do, against a pipeline of as many stages that is empty.

    python -m benchmarks.dvc [--repeats 5]

Needs a finished run: every out of dvc.yaml in its place. Copies the checkout with its outs to a temporary folder, and
tells DVC there that they are what they should be. Prints, and writes to benchmarks/results/dvc.json: seconds of a
`dvc repro` and a `dvc status` that find nothing to do, here and in a pipeline whose every stage has one file of a byte
to depend on and one to make, in turn; of a `dvc repro` here were the pipeline coarser, by each of COARSER and all of
them; and of a `dvc status` of the raw data whose hashes DVC has forgotten, less the time when it knows them, beside the
time that MD5 takes for the same bytes.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import yaml

from benchmarks import measuring

PIPELINE = yaml.safe_load((measuring.ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


def _raw_in_one_file(place: Path, stages: dict) -> None:
    for path in _raw_files(place)[1:]:
        path.unlink()


def _own_module_alone(place: Path, stages: dict) -> None:
    for name, stage in stages.items():
        stage["deps"] = [dep for dep in stage["deps"] if not dep.startswith("stages/") or dep == f"stages/{name}.py"]


def _settings_as_one_file(place: Path, stages: dict) -> None:
    dataset = yaml.safe_load((place / "params.yaml").read_text(encoding="utf-8"))["dataset"]
    for stage in stages.values():
        stage["deps"] = [dep.replace("${dataset}", dataset) for dep in stage["deps"]]
        if stage.pop("params", None):
            stage["deps"] = ["params.yaml", *stage["deps"]]


COARSER = {
    "raw data in one file": [_raw_in_one_file],
    "of the code, only each stage's own module": [_own_module_alone],
    "settings as one file": [_settings_as_one_file],
    "all of these": [_raw_in_one_file, _own_module_alone, _settings_as_one_file],
}
"""What a pipeline could be told less exactly, each at the price of stages that run without need, or not when needed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        ours, empty = Path(folder, "ours"), Path(folder, "empty")
        _copy(ours)
        _make_empty(empty)
        coarser = {name: _make_coarser(ours, Path(folder, name), changes) for name, changes in COARSER.items()}
        forgetful = 0

        def forgotten() -> float:
            nonlocal forgetful
            forgetful += 1
            return _dvc(ours, "status", "download", site=Path(folder, f"site-{forgetful}"))

        ways = {
            f"{name}, {command}": lambda place=place, command=command: _dvc(place, command)
            for command in ("repro", "status")
            for name, place in (("ours", ours), ("empty", empty))
        }
        ways |= {name: lambda place=place: _dvc(place, "repro") for name, place in coarser.items()}
        ways |= {"nothing": lambda: _dvc(ours, "--version")}
        raw = _raw_files(ours)
        ways |= {"raw, forgotten": forgotten, "raw, known": lambda: _dvc(ours, "status", "download")}
        ways |= {"raw, MD5": lambda: measuring.seconds(lambda: [hashlib.md5(path.read_bytes()) for path in raw])}
        taken = measuring.in_turn(ways, arguments.repeats)
        size = sum(path.stat().st_size for path in raw)
    hashing = [cold - warm for cold, warm in zip(taken["raw, forgotten"], taken["raw, known"], strict=True)]
    result = {
        "stages": len(PIPELINE),
        "seconds": {name: measuring.spread(values) for name, values in taken.items()},
        "times_the_empty_pipeline": {
            command: measuring.ratio(taken[f"ours, {command}"], taken[f"empty, {command}"])
            for command in ("repro", "status")
        },
        "coarser_times_the_empty_pipeline": {
            name: measuring.ratio(taken[name], taken["empty, repro"]) for name in coarser
        },
        "raw_data": {"files": len(raw), "mb": round(size / 1e6), "hashing_seconds": measuring.spread(hashing)},
    }
    measuring.write("dvc", result, "dvc", "dvc-data", "dvc-objects")


def _copy(place: Path) -> None:
    _run("git", "clone", "--quiet", str(measuring.ROOT), str(place))
    outs = [
        out if isinstance(out, str) else next(iter(out)) for stage in PIPELINE.values() for out in stage.get("outs", [])
    ]
    for out in outs:
        source, target = measuring.ROOT / out, place / out
        if not source.exists():
            sys.exit(f"{out} is not there; `dvc repro` makes it")
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy(source, target)
    _run("dvc", "commit", "--force", "--quiet", cwd=place)
    _check_idle(place)


def _make_empty(place: Path) -> None:
    place.mkdir()
    stages = {
        f"stage-{number}": {
            "cmd": f"echo > out-{number}",
            "deps": ["in" if number == 0 else f"out-{number - 1}"],
            "outs": [f"out-{number}"],
        }
        for number in range(len(PIPELINE))
    }
    (place / "in").write_text("0", encoding="utf-8")
    (place / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}), encoding="utf-8")
    _run("git", "init", "--quiet", cwd=place)
    _run("dvc", "init", "--quiet", cwd=place)
    shutil.copy(measuring.ROOT / ".dvc/config", place / ".dvc/config")
    _run("dvc", "repro", "--quiet", cwd=place)
    _check_idle(place)


def _make_coarser(ours: Path, place: Path, changes: list[Callable[[Path, dict], None]]) -> Path:
    shutil.copytree(ours, place, symlinks=True)
    content = yaml.safe_load((place / "dvc.yaml").read_text(encoding="utf-8"))
    for change in changes:
        change(place, content["stages"])
    (place / "dvc.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    _run("dvc", "commit", "--force", "--quiet", cwd=place)
    _check_idle(place)
    return place


def _raw_files(place: Path) -> list[Path]:
    return [path for path in (place / "data/raw").rglob("*") if path.is_file()]


def _check_idle(place: Path) -> None:
    # `dvc status` exits with 0 whatever it finds; with --quiet it tells.
    if subprocess.run(_command("dvc", "status", "--quiet"), cwd=place).returncode:
        sys.exit(f"dvc status in {place} finds something to do")


def _dvc(place: Path, *command: str, site: Path | None = None) -> float:
    environment = os.environ | ({"DVC_SITE_CACHE_DIR": str(site)} if site else {})
    return measuring.seconds(lambda: _run("dvc", *command, cwd=place, env=environment))


def _run(*command: str, **more) -> None:
    subprocess.run(_command(*command), check=True, stdout=subprocess.DEVNULL, **more)


def _command(program: str, *rest: str) -> list[str]:
    # DVC as a module: it need not be on the path.
    return [sys.executable, "-m", "dvc", *rest] if program == "dvc" else [program, *rest]


if __name__ == "__main__":
    main()
