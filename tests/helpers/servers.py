"""Servers that are programs of their own, on 127.0.0.1."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def following(command: list[str], sign: str) -> Iterator[str]:
    """Run a server for the length of a with block, and yield the line in which it says that it is ready.

    Args:
        command: starts the server.
        sign: part of that line, which it writes to stderr.
    """
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        line = next((line for line in server.stderr if sign in line), None)
        assert line, f"{command[0]} did not start"
        yield line
    finally:
        server.terminate()
        server.communicate()


@contextmanager
def git_daemon(folder: Path) -> Iterator[str]:
    """Serve the git repositories in a folder, and yield the address to which the name of one is added."""
    port = free_port()
    command = ["git", "daemon", f"--base-path={folder}", "--export-all", "--listen=127.0.0.1", f"--port={port}"]
    with following([*command, "--verbose", str(folder)], "Ready to rumble"):
        yield f"git://127.0.0.1:{port}"
