"""How a stage starts and ends: settings in; one clear line and an exit status out."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import psutil

from stages.utils import startup
from stages.utils.errors import OUT_OF_MEMORY, InputError, describe_os_error
from stages.utils.params_file import read_sections
from stages.utils.watchdog import when_gone

GRACE_SECONDS = 60
"""How long a stage has to end by itself once the DVC that started it is gone."""


def run_stage(main: Callable[..., None], **sections: Any) -> None:
    """Read a stage's sections of params.yaml and run it.

    A user's mistake becomes one line on stderr. The process exits with 1 after a mistake or an operating-system error
    (a full disk, a missing file), and with 130 after Ctrl-C or when the DVC that started it was killed. Defects of
    the program keep their traceback.

    Args:
        main: the stage; called with the sections as keyword arguments.
        sections: for each section of params.yaml that the stage reads, its type in stages/params.
    """
    startup.ready()
    _end_with_dvc()
    try:
        main(**read_sections(**sections))
    except InputError as error:
        _exit(f"error: {error}", 1)
    except OSError as error:
        _exit(f"error: {describe_os_error(error)}", 1)
    except MemoryError:
        _exit(f"error: {OUT_OF_MEMORY}", 1)
    except KeyboardInterrupt:
        _exit("interrupted", 130)


def _end_with_dvc() -> None:
    # When DVC is terminated, it leaves its stage running, which would write into a workspace that others use by then.
    # A stage started by hand may outlive its shell.
    if "DVC_STAGE" not in os.environ:
        return
    # DVC starts a shell, which either becomes the stage or waits for it. Both have DVC_STAGE in their environment;
    # DVC itself has not.
    dvc = psutil.Process().parent()
    while dvc is not None and "DVC_STAGE" in _environment(dvc):
        dvc = dvc.parent()
    if dvc is not None:
        when_gone(lambda: _runs(dvc), _end)


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:  # the process has ended, or belongs to another user
        return {}


def _runs(process: psutil.Process) -> bool:
    try:  # psutil does not take a later process with the same number for this one
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _end() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(GRACE_SECONDS)
    os._exit(130)


def _exit(line: str, status: int) -> None:
    with contextlib.suppress(OSError):  # when stderr is closed
        print(line, file=sys.stderr, flush=True)
    # After an interruption, worker and prefetch threads may still run; nothing of theirs is wanted any more.
    os._exit(status) if status == 130 else sys.exit(status)
