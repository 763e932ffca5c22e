"""What a program does before it imports anything large, so that it behaves alike in every terminal and locale."""

import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def begin() -> None:
    """Make standard streams, file names and Ctrl-C what the rest of the program may rely on; call `ready` afterwards.

    - Standard streams that are closed lead nowhere. Otherwise the next file that is opened would get their number, and
      with it every message.
    - File names are UTF-8. Where the locale says otherwise, the program starts anew in Python's UTF-8 mode.
    - Any file name can be printed; characters that the terminal lacks are written as escapes.
    - Ctrl-C ends the program at once and in silence, since an exception inside an import may get lost in it.
    """
    _open_standard_streams()
    if sys.getfilesystemencoding() != "utf-8":
        os.environ.setdefault("PYTHONIOENCODING", sys.stdout.encoding)  # what the terminal understands stays as it is
        os.environ["PYTHONUTF8"] = "1"  # for worker processes
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Names that are not UTF-8 go out as the bytes that they are.
            stream.reconfigure(errors="surrogateescape" if _is_utf8(stream) else "backslashreplace")
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a program in the background ignores it
        signal.signal(signal.SIGINT, _end)


def ready() -> None:
    """Let Ctrl-C raise KeyboardInterrupt from here on: modules are imported, and there may be files to clean up."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Let Ctrl-C end the program at once, as between `begin` and `ready`; for imports that are made later on."""
    previous = signal.getsignal(signal.SIGINT)
    if previous is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def _open_standard_streams() -> None:
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123 - open as long as the program runs
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123


def _is_utf8(stream: io.TextIOWrapper) -> bool:
    return stream.encoding.lower().replace("-", "") == "utf8"


def _end(*_: Any) -> None:
    os._exit(130)
