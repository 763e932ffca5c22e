"""Before a cluster trains: every process of it can be reached, and all have the same data, settings and code."""

import errno
import json
import threading
import time
from collections.abc import Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from stages.training.cluster import CLUSTER_VARIABLE, Cluster
from stages.training.progress_bar import print_line
from stages.utils.errors import InputError

WAIT_SECONDS = 600
"""How long the processes wait for one another: hosts are started one by one, by hand."""

_RETRY_SECONDS = 0.2
_ANSWER_SECONDS = 10  # how long an answer may take


def meet(cluster: Cluster, identity: Mapping[str, str], wait_seconds: float = WAIT_SECONDS) -> None:
    """Wait for all other processes of a cluster, and compare with each what must be the same everywhere.

    Each process answers at its own address, which TensorFlow takes afterwards, and asks all others. It returns once it
    has all answers and has answered all.

    Args:
        cluster: the processes.
        identity: what must be the same: for each thing, named as a user knows it, a digest or the value itself.
        wait_seconds: how long to wait for the others.

    Raises:
        InputError: a process cannot be reached, or differs, or the own port is in use.
    """
    others = {index: address for index, address in enumerate(cluster.addresses) if index != cluster.index}
    deadline = time.monotonic() + wait_seconds
    asked_by: set[int] = set()
    with _answering(cluster, identity, asked_by):
        answers = {index: _ask(cluster, index, deadline) for index in others}
        while not asked_by >= others.keys():
            if time.monotonic() > deadline:
                index = min(others.keys() - asked_by)
                raise InputError(f"{_name(cluster, index)} has not asked for this one; see what it printed")
            time.sleep(_RETRY_SECONDS)
    for index, answer in answers.items():
        if differing := [name for name in identity if answer.get(name) != identity[name]]:
            raise InputError(
                f"{_name(cluster, index)} differs from this one in: {', '.join(differing)};"
                " all hosts need the same data, settings and code"
            )


def _name(cluster: Cluster, index: int) -> str:
    return f"{CLUSTER_VARIABLE}: the process at {cluster.addresses[index]}"


@contextmanager
def _answering(cluster: Cluster, identity: Mapping[str, str], asked_by: set[int]):
    """Answer in the background with `identity`, and add to `asked_by` who has got the answer."""
    content = json.dumps(dict(identity)).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            self.wfile.flush()
            if self.path[1:].isdecimal():
                asked_by.add(int(self.path[1:]))

        def log_message(self, *_) -> None:
            pass

    port = int(cluster.addresses[cluster.index].rpartition(":")[2])
    try:
        server = ThreadingHTTPServer(("", port), Handler)
    except (OSError, OverflowError) as error:
        reason = "is in use" if getattr(error, "errno", None) == errno.EADDRINUSE else f"cannot be used ({error})"
        raise InputError(
            f"{CLUSTER_VARIABLE}: port {port} of this host {reason}; choose another, on all hosts"
        ) from None
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def _ask(cluster: Cluster, index: int, deadline: float) -> dict[str, str]:
    address, told = cluster.addresses[index], False
    host, _, port = address.rpartition(":")
    while True:
        try:
            connection = HTTPConnection(host, int(port), timeout=_ANSWER_SECONDS)
            try:
                connection.request("GET", f"/{cluster.index}")
                return dict(json.loads(connection.getresponse().read()))
            finally:
                connection.close()
        except (OSError, OverflowError, HTTPException, ValueError, TypeError) as error:
            if time.monotonic() > deadline:
                raise InputError(
                    f"{_name(cluster, index)} cannot be reached ({error}); start the stage there, with the same cluster"
                ) from None
        if not told:
            print_line(f"waiting for the process at {address}")
            told = True
        time.sleep(_RETRY_SECONDS)
