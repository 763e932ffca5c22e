"""Processes that work for another one end with it."""

import errno
import importlib
import os
import subprocess
import sys

import psutil
import pytest

from stages.utils import process_pool
from stages.utils.errors import InputError
from tests.helpers.dvc_clone import environment
from tests.helpers.source_analysis import ROOT

# Prints its worker's number, leaves it idle or at a task that lasts, and is killed.
PROGRAM = """
import os, signal, sys, time
from stages.utils import process_pool
pool = process_pool.process_pool(1)
print(pool.submit(os.getpid).result(), flush=True)
if sys.argv[1] == "busy":
    pool.submit(time.sleep, 600)
sys.stdin.readline()
os.kill(os.getpid(), signal.SIGKILL)
"""


def worker_after(state: str) -> bool:
    """Whether the worker still runs after its parent was killed."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, state], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    worker = psutil.Process(int(parent.stdout.readline()))
    parent.stdin.close()  # a line, as far as the program is concerned
    assert parent.wait() < 0
    _, alive = psutil.wait_procs([worker], timeout=30)
    for process in alive:
        process.kill()
    return bool(alive)


def test_they_end_with_a_parent_that_was_killed():
    assert not worker_after("idle")
    assert not worker_after("busy")


def test_their_number_can_be_limited():
    program = "from stages.utils import process_pool; print(process_pool.cpu_count())"
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment(LOKY_MAX_CPU_COUNT="1"), capture_output=True
    )
    assert found.stdout == b"1\n"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.ENOENT])
def test_where_there_is_no_room_for_semaphores_the_error_names_the_place(monkeypatch, number):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number))  # without a file name, as sem_open does

    monkeypatch.setattr(importlib.import_module("loky.backend.synchronize"), "_SemLock", fail)
    with pytest.raises(InputError, match=f"^/dev/shm: {os.strerror(number)}; worker processes need some KB there"):
        process_pool.process_pool(2)


def test_too_many_open_files_is_another_error(monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(importlib.import_module("loky.backend.synchronize"), "_SemLock", fail)
    with pytest.raises(OSError, match="Too many open files"):
        process_pool.process_pool(2)
