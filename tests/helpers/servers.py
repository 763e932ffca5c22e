"""Servers that are programs of their own, on 127.0.0.1: how to start them, and git's."""

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.helpers.http_server import running


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def following(command: list[str], sign: str, cwd: Path | None = None) -> Iterator[str]:
    """Run a server for the length of a with block, and yield the line in which it says that it is ready.

    Args:
        command: starts the server.
        sign: part of that line, which it writes to stderr.
        cwd: the folder in which it runs; None for this process' own.
    """
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=cwd)
    try:
        line = next((line for line in server.stderr if sign in line), None)
        assert line, f"{command[0]} did not start"
        # A server whose stderr is full would stand still.
        threading.Thread(target=server.stderr.read, daemon=True).start()
        yield line
    finally:
        server.terminate()
        server.wait()


@contextmanager
def git_daemon(folder: Path, writable: bool = False) -> Iterator[str]:
    """Serve the git repositories in a folder, and yield the address to which the name of one is added.

    Args:
        folder: the repositories.
        writable: whether anybody may push to them.
    """
    port = free_port()
    command = ["git", "daemon", f"--base-path={folder}", "--export-all", "--listen=127.0.0.1", f"--port={port}"]
    if writable:
        command.append("--enable=receive-pack")
    with following([*command, "--verbose", str(folder)], "Ready to rumble"):
        yield f"git://127.0.0.1:{port}"


@contextmanager
def git_over_http(folder: Path) -> Iterator[str]:
    """Serve the git repositories in a folder over HTTP, and yield the address to which the name of one is added."""
    with running(ThreadingHTTPServer(("127.0.0.1", 0), partial(_GitHandler, folder))) as server:
        yield f"http://127.0.0.1:{server.server_port}"


class _GitHandler(BaseHTTPRequestHandler):
    """Answers with what `git http-backend`, a CGI program, answers."""

    protocol_version = "HTTP/1.1"

    def __init__(self, folder: Path, *arguments) -> None:
        self.folder = folder
        super().__init__(*arguments)

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        request = {
            "GIT_PROJECT_ROOT": str(self.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answered = subprocess.run(["git", "http-backend"], input=body, env=os.environ | request, stdout=subprocess.PIPE)
        head, _, content = answered.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in (fields | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET

    def log_message(self, *_) -> None:
        pass
