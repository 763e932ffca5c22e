"""Run a stage: `python stages <name>`, as stages/run.sh does for dvc.yaml.

The repository's own code comes first on the path, whatever else is installed or on PYTHONPATH, and under
PYTHONSAFEPATH=1 as well; `python -m stages.<name>` promises none of that.
"""

import runpy
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
STAGES = sorted(path.stem for path in FOLDER.glob("[a-z]*.py"))


def main() -> None:
    """Run the stage that the first argument names, as the program `__main__`."""
    # Python puts the folder it runs at the front, where utils and others would hide modules of the same name.
    sys.path[:] = [str(FOLDER.parent), *(entry for entry in sys.path if Path(entry or ".").resolve() != FOLDER)]
    try:
        from stages.utils import startup

        startup.begin()
        if len(sys.argv) != 2 or sys.argv[1] not in STAGES:
            sys.exit(f"usage: python stages NAME, where NAME is one of: {', '.join(STAGES)}")
        runpy.run_module(f"stages.{sys.argv[1]}", run_name="__main__", alter_sys=True)
    except ModuleNotFoundError as error:
        if str(error.name).startswith("stages"):
            raise
        sys.exit(
            f"error: {sys.executable} lacks {error.name}: activate the environment first, `. .venv/bin/activate`;"
            " `make setup` makes it"
        )


if __name__ == "__main__":
    main()
