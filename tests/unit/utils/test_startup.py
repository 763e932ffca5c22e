"""A program behaves alike whatever its terminal, its locale and its standard streams, and Ctrl-C ends it quietly."""

import os
import signal
import subprocess
import sys

import pytest

from tests.helpers.source_analysis import ROOT

BEGIN = (
    f"import os, signal, sys; sys.path.insert(0, {str(ROOT)!r}); from stages.utils import startup; startup.begin(); "
)
NOT_UTF8 = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
"""What makes Python take file names for ASCII, as an old locale does for a Latin alphabet."""


def in_foreground():
    """Take Ctrl-C as a program does that a shell starts in the foreground, whatever started these tests."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(program, folder, preexec_fn=in_foreground, **variables):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LC_", "LANG"))}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=folder, capture_output=True, env=clean | variables, preexec_fn=preexec_fn)


@pytest.mark.parametrize(
    "variables, printed",
    [({}, "夜é.mid".encode()), (NOT_UTF8, rb"\u591c\xe9.mid"), ({"LC_ALL": "C"}, "夜é.mid".encode())],
    ids=["as here", "not UTF-8", "C"],
)
def test_file_names_are_utf8_in_every_locale(tmp_path, variables, printed):
    (tmp_path / "夜é.mid").touch()
    program = BEGIN + "print(ascii(os.listdir()), sys.argv); print(os.listdir()[0])"
    done = start(program, tmp_path, **variables)
    assert done.stdout == ascii(["夜é.mid"]).encode() + b" ['-c']\n" + printed + b"\n", done.stderr


def test_worker_processes_have_the_same_file_names(tmp_path):
    program = (
        BEGIN + "import subprocess; subprocess.run([sys.executable, '-c', 'import sys; print(sys.flags.utf8_mode)'])"
    )
    assert start(program, tmp_path, **NOT_UTF8).stdout == b"1\n"


def test_any_name_can_be_printed(tmp_path):
    print_both = BEGIN + "name = os.fsdecode(b'\\xe9') + '夜'; print(name); print(name, file=sys.stderr)"
    done = start(print_both, tmp_path, PYTHONIOENCODING="ascii", PYTHONUTF8="1")
    assert done.stdout == done.stderr == rb"\udce9\u591c" + b"\n"
    done = start(print_both, tmp_path, PYTHONUTF8="1")
    assert done.stdout == done.stderr == b"\xe9" + "夜\n".encode()


@pytest.mark.parametrize("closed", [(2,), (1,), (0, 1, 2)])
def test_what_is_printed_gets_into_no_file_when_streams_are_closed(tmp_path, closed):
    program = (
        BEGIN
        + "file = open('data', 'w'); print('a'); print('b', file=sys.stderr); os.write(2, b'c'); os.write(1, b'c')"
    )
    done = start(program, tmp_path, preexec_fn=lambda: [os.close(number) for number in closed])
    assert (done.returncode, (tmp_path / "data").read_bytes()) == (0, b"")


INTERRUPT = "os.kill(os.getpid(), signal.SIGINT)"


@pytest.mark.parametrize(
    "program, status, printed",
    [
        (INTERRUPT, 130, b""),
        ("startup.ready(); " + INTERRUPT, -signal.SIGINT, b"KeyboardInterrupt\n"),
        (f"startup.ready()\nwith startup.ending_at_once(): {INTERRUPT}", 130, b""),
        (f"startup.ready()\nwith startup.ending_at_once(): pass\n{INTERRUPT}", -signal.SIGINT, b"KeyboardInterrupt\n"),
    ],
)
def test_ctrl_c_ends_a_program_in_silence_until_it_is_ready(tmp_path, program, status, printed):
    done = start(BEGIN + program, tmp_path)
    assert done.returncode == status
    assert done.stderr.endswith(printed) and bool(done.stderr) == bool(printed)


@pytest.mark.parametrize("state", ["pass", "startup.ready()", "startup.ending_at_once().__enter__()"])
def test_a_program_in_the_background_goes_on(tmp_path, state):
    ignore = lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)  # noqa: E731 - as a shell does before `command &`
    assert start(f"{BEGIN}{state}; {INTERRUPT}", tmp_path, preexec_fn=ignore).returncode == 0


@pytest.mark.parametrize("command", [["compose.py", "improvise"], ["stages", "extract"]])
def test_ctrl_c_during_the_first_imports_is_quiet(tmp_path, command):
    (tmp_path / "numpy.py").write_text(f"import os, signal\n{INTERRUPT}\n")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, env=environment, preexec_fn=in_foreground
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")
