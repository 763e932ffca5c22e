"""A corpus that the memory does not hold is trained on as if it did."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from stages.representation import note_table
from tests.helpers.made_up_notes import random_columns
from tests.helpers.source_analysis import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's limit on a process' data"),
]

PIECES, PIECE_NOTES, ROW_GROUP_NOTES = 160, 15_000, 60_000
CORPUS_MB = PIECES * PIECE_NOTES * (8 + 4 + 1 + 1) / 1e6  # the columns that are read: 34 MB
LIMIT_MB = 16
# Threads and memory pools take memory of their own, as much as they like.
ENVIRONMENT = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "ARROW_IO_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("notes") / "train.parquet"
    with pytest.MonkeyPatch.context() as patch, note_table.notes_writer(path) as append:
        patch.setattr(note_table, "ROW_GROUP_SIZE", ROW_GROUP_NOTES)
        for piece in range(PIECES):
            append(piece, random_columns(piece, PIECE_NOTES))
    return path


def read(table, row_groups, limit_mb):
    """The process that reads the table, when it has ended."""
    command = [sys.executable, "-m", "tests.helpers.limited_input", str(table), str(row_groups), str(limit_mb)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ | ENVIRONMENT)


def test_the_input_is_the_same_with_less_memory_than_the_corpus_takes(table):
    assert CORPUS_MB > 2 * LIMIT_MB
    in_memory, streamed = read(table, PIECES, 0), read(table, 2, LIMIT_MB)
    assert in_memory.returncode == streamed.returncode == 0, streamed.stderr
    assert streamed.stdout == in_memory.stdout
    too_much = read(table, PIECES, LIMIT_MB)  # or the limit would limit nothing
    assert too_much.returncode != 0 and re.search("MemoryError|malloc of size", too_much.stderr)
