"""How a stage starts and how it ends: settings in, one clear line and an exit status out."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from stages.utils import params
from stages.utils.errors import InputError

GRACE = 60  # seconds that a stage has to come to an end by itself once DVC is gone


def run_stage(stage: Callable[[params.Params], None]) -> None:
    """Validate all of params.yaml, run `stage` with it and turn the user's mistakes into one line on stderr.

    Exits with 1 after a mistake or an operating-system error (a full disk, a missing file), with 130 after
    Ctrl-C, and when the DVC that started it has been killed. Defects of ours keep their traceback.
    """
    _end_with_dvc()
    try:
        stage(params.load_params())
    except InputError as error:
        _leave(f"error: {error}", 1)
    except OSError as error:
        _leave(f"error: {error.filename or f'on the disk of {Path.cwd()}'}: {error.strerror or error}", 1)
    except KeyboardInterrupt:
        _leave("interrupted", 130)


def _end_with_dvc() -> None:
    # DVC, when it is terminated, leaves its stage running, which would then write into a workspace that is not its own
    # any more. A stage that was started by hand may outlive its shell.
    if "DVC_STAGE" in os.environ:
        # DVC starts a shell, which either becomes the stage or waits for it. Shell and stage have DVC's mark in their
        # environment, DVC itself has not.
        dvc = psutil.Process().parent()
        while dvc is not None and "DVC_STAGE" in _environment(dvc):
            dvc = dvc.parent()
        if dvc is not None:
            threading.Thread(target=_watch, args=(dvc,), daemon=True).start()


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:  # it has ended, or is somebody else's
        return {}


def _watch(dvc: psutil.Process) -> None:
    while _runs(dvc):
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(GRACE)
    os._exit(130)


def _runs(process: psutil.Process) -> bool:
    try:  # a later process of the same number is another one to psutil
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _leave(line: str, status: int) -> None:
    with contextlib.suppress(OSError):  # when nobody is left to read it
        print(line, file=sys.stderr, flush=True)
    # Worker and prefetch threads may still run; nothing of theirs is wanted any more.
    os._exit(status) if status == 130 else sys.exit(status)
