"""A web server on 127.0.0.1 that answers as a test scripts it: whole, broken off, busy, never ending."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server(ThreadingHTTPServer):
    """Gives each request the next of `answers`, the last one for ever; `requests` are the headers of all so far."""

    daemon_threads = True

    def __init__(self, *answers: Answer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = list(answers)
        self.requests: list[dict[str, str]] = []
        self.url = f"http://127.0.0.1:{self.server_port}/set.zip"

    def handle_error(self, *_) -> None:
        """Say nothing of clients that hang up."""


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
    server = Server(*answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def status(code: int) -> Answer:
    return lambda handler: handler.send_error(code)


def whole(content: bytes, length: bool = True, etag: str = "") -> Answer:
    """The file; with `etag`, only the part asked for, if it is still that version that is asked for."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        body, code = content, 200
        if etag and handler.headers["If-Range"] == etag:
            body, code = content[int(handler.headers["Range"].removeprefix("bytes=").removesuffix("-")) :], 206
        _head(handler, code, len(body) if length else None, etag)
        handler.wfile.write(body)

    return answer


def broken(content: bytes, sent: int, reset: bool = False, etag: str = "") -> Answer:
    """The first `sent` bytes of a file announced in full, then the end, or a reset of the connection."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        _head(handler, 200, len(content), etag)
        handler.wfile.write(content[:sent])
        if reset:
            handler.wfile.flush()
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.rfile.close()
            handler.connection.close()

    return answer


def stalled(content: bytes, sent: int, reached: threading.Event, go_on: threading.Event) -> Answer:
    """The first `sent` bytes, then nothing until `go_on`; `reached` is set when they are on their way."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        _head(handler, 200, len(content), "")
        handler.wfile.write(content[:sent])
        handler.wfile.flush()
        reached.set()
        go_on.wait()

    return answer


def endless(handler: BaseHTTPRequestHandler) -> None:
    """Bytes without end and without a length."""
    _head(handler, 200, None, "")
    while True:
        handler.wfile.write(bytes(2**16))


def _head(handler: BaseHTTPRequestHandler, code: int, length: int | None, etag: str) -> None:
    handler.send_response(code)
    if length is not None:
        handler.send_header("Content-Length", str(length))
    if etag:
        handler.send_header("ETag", etag)
    handler.end_headers()
