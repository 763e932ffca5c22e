"""How a stage starts and how it ends: settings in, one clear line and an exit status out."""

import os
import sys
from collections.abc import Callable

from stages import settings
from stages.music.errors import InputError


def run(stage: Callable[[settings.Settings], None]) -> None:
    """Validate all of params.yaml, run `stage` with it and turn the user's mistakes into one line on stderr.

    Exits with 1 after a mistake or an operating-system error (a full disk, a missing file), with 130 after
    Ctrl-C. Defects of ours keep their traceback.
    """
    try:
        stage(settings.load())
    except InputError as error:
        _leave(f"error: {error}", 1)
    except OSError as error:
        _leave(f"error: {error.filename or 'input or output'}: {error.strerror or error}", 1)
    except KeyboardInterrupt:
        _leave("interrupted", 130)


def _leave(line: str, status: int) -> None:
    print(line, file=sys.stderr, flush=True)
    # Worker and prefetch threads may still run; nothing of theirs is wanted any more.
    os._exit(status) if status == 130 else sys.exit(status)
