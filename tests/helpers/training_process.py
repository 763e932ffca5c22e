"""A training that runs in a process of its own and can be followed by what it prints."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.helpers.source_analysis import ROOT


class TrainingProcess:
    """A Python process in a folder.

    Attributes:
        process: the process.
        printed: what has been read of its stderr.
    """

    def __init__(self, *arguments: str | Path, folder: Path = Path(), environment: Mapping[str, str] | None = None):
        """Start it.

        Args:
            arguments: of Python; `stages train` of this repository if there are none.
            folder: where it runs.
            environment: variables to add to those of this process.
        """
        self.process = subprocess.Popen(
            [sys.executable, *(arguments or (ROOT / "stages", "train"))],
            cwd=folder,
            env=os.environ | (environment or {}),
            stderr=subprocess.PIPE,
        )
        self.printed = ""

    def read_until(self, pattern: str) -> None:
        """Read what it prints until that matches."""
        while not re.search(pattern, self.printed):
            new = self.process.stderr.read1()
            assert new, f"ended without printing {pattern}:\n{self.printed}"
            self.printed += new.decode(errors="replace")

    def read_to_end(self) -> int:
        """Read until it ends; return its exit status."""
        self.printed += self.process.stderr.read().decode(errors="replace")
        return self.process.wait()
