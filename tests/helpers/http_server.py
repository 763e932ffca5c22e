"""Web servers on 127.0.0.1: one that serves a folder, and one with scripted answers.

Scripted answers are complete files, broken connections, errors and endless bodies.
"""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeVar

AnyServer = TypeVar("AnyServer", bound=ThreadingHTTPServer)

Answer = Callable[[BaseHTTPRequestHandler], None]
"""Answers one GET request."""


class Server(ThreadingHTTPServer):
    """A server that gives each request the next answer, and repeats the last one for ever.

    Attributes:
        answers: the answers.
        requests: the headers of all requests so far.
        url: address of the file that it serves.
    """

    daemon_threads = True

    def __init__(self, *answers: Answer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = list(answers)
        self.requests: list[dict[str, str]] = []
        self.url = f"http://127.0.0.1:{self.server_port}/set.zip"

    def handle_error(self, *_) -> None:
        """Ignore clients that close the connection."""


class _FileHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_) -> None:
        pass


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        answer = server.answers[min(len(server.requests), len(server.answers) - 1)]
        server.requests.append(dict(self.headers))
        answer(self)

    def log_message(self, *_) -> None:
        pass


@contextmanager
def serving(*answers: Answer) -> Iterator[Server]:
    """Run a server with these answers for the length of a with block."""
    with running(Server(*answers)) as server:
        yield server


@contextmanager
def serving_folder(folder: Path) -> Iterator[str]:
    """Serve the files of a folder, as a static host does, for the length of a with block; yield its address."""
    with running(ThreadingHTTPServer(("127.0.0.1", 0), partial(_FileHandler, directory=folder))) as server:
        yield f"http://127.0.0.1:{server.server_port}"


@contextmanager
def running(server: AnyServer) -> Iterator[AnyServer]:
    """Run a server for the length of a with block."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def status(code: int) -> Answer:
    """Make an answer that is an HTTP error."""
    return lambda handler: handler.send_error(code)


def whole(content: bytes, length: bool = True, etag: str = "") -> Answer:
    """Make an answer that sends a complete file.

    Args:
        content: the file.
        length: whether to send its length.
        etag: version of the file. A request for a range of this version gets only that range.
    """

    def answer(handler: BaseHTTPRequestHandler) -> None:
        body, code = content, 200
        if etag and handler.headers["If-Range"] == etag:
            body, code = content[int(handler.headers["Range"].removeprefix("bytes=").removesuffix("-")) :], 206
        _send_head(handler, code, len(body) if length else None, etag)
        handler.wfile.write(body)

    return answer


def broken(content: bytes, sent: int, reset: bool = False, etag: str = "") -> Answer:
    """Make an answer that announces a complete file, but closes the connection early.

    Args:
        content: the file.
        sent: number of bytes that are sent.
        reset: whether to reset the connection instead of closing it.
        etag: version of the file.
    """

    def answer(handler: BaseHTTPRequestHandler) -> None:
        _send_head(handler, 200, len(content), etag)
        handler.wfile.write(content[:sent])
        if reset:
            handler.wfile.flush()
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.rfile.close()
            handler.connection.close()

    return answer


def stalled(content: bytes, sent: int, reached: threading.Event, resume: threading.Event) -> Answer:
    """Make an answer that announces a complete file, but sends nothing after its first bytes.

    Args:
        content: the file.
        sent: number of bytes that are sent.
        reached: set when they have been sent.
        resume: ends the answer when it is set.
    """

    def answer(handler: BaseHTTPRequestHandler) -> None:
        _send_head(handler, 200, len(content), "")
        handler.wfile.write(content[:sent])
        handler.wfile.flush()
        reached.set()
        resume.wait()

    return answer


def endless(handler: BaseHTTPRequestHandler) -> None:
    """Answer with zero bytes without end and without a length."""
    _send_head(handler, 200, None, "")
    while True:
        handler.wfile.write(bytes(2**16))


def _send_head(handler: BaseHTTPRequestHandler, code: int, length: int | None, etag: str) -> None:
    handler.send_response(code)
    if length is not None:
        handler.send_header("Content-Length", str(length))
    if etag:
        handler.send_header("ETag", etag)
    handler.end_headers()
