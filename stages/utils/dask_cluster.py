"""A Dask cluster as the place where work runs: what it must agree in, and one line for whatever goes wrong there.

Workers import the project's code from a checkout of their own; docs/scaling.md says how they are started.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import os
import pickle
import platform
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.utils.errors import InputError
from stages.utils.startup import ending_at_once

if TYPE_CHECKING:
    from distributed import Client

ADDRESS_VARIABLE = "DASK_SCHEDULER_ADDRESS"
"""Dask's own name for the environment variable with the address of the scheduler, such as tcp://10.0.0.1:8786."""

CONNECT_SECONDS = 5
"""How long the scheduler may take to answer, and once more to say that it is one."""

PATIENCE_SECONDS = 20
"""How long to wait for a result before asking whether there are workers at all."""

RECOUNT_SECONDS = 1
"""How old the number of workers may be: they may come and go."""

CLOSE_SECONDS = 2
"""How long to take leave of the scheduler, which forgets the tasks of a client that is gone in any case."""

_START = "start `python -m dask worker ADDRESS` in a checkout of this commit"


def scheduler_address() -> str | None:
    """Return the address of the cluster that the user wants to use, None for this machine alone."""
    return os.environ.get(ADDRESS_VARIABLE) or None


@contextmanager
def dask_cluster(address: str) -> Iterator[DaskCluster]:
    """Connect to a Dask cluster. At the end of the block it forgets the tasks that have not finished.

    Args:
        address: of the scheduler.

    Raises:
        InputError: Dask is not installed, or no scheduler answers.
    """
    try:
        with ending_at_once():
            import dask

            # What goes wrong becomes an exception. This is read as distributed is imported.
            dask.config.set({"logging": {"distributed": "critical", "distributed.client": "critical"}})
            from distributed import Client
    except ModuleNotFoundError as error:
        raise InputError(
            f"{ADDRESS_VARIABLE} = {address}: no package {error.name}: `pip install -r requirements-dask.txt`, or unset"
            f" {ADDRESS_VARIABLE} to work on this machine alone"
        ) from None
    try:
        asyncio.run(_check_scheduler(address))
    except (OSError, ValueError) as error:
        reason = str(error) or "what listens there is not a Dask scheduler"
        raise InputError(
            f"{ADDRESS_VARIABLE} = {address}: no Dask scheduler answers ({reason}); start one with"
            f" `python -m dask scheduler`, or unset {ADDRESS_VARIABLE} to work on this machine alone"
        ) from None
    # A task carries its input, which Dask takes for a mistake from 10 MB on.
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "10GB"}):
        client = Client(address, set_as_default=False)
        try:
            yield DaskCluster(client, address)
        finally:
            with suppress(Exception):  # the scheduler may be gone
                client.close(CLOSE_SECONDS)


async def _check_scheduler(address: str) -> None:
    # A Client may wait for ever for what is no scheduler, and one that failed takes 20 seconds to end.
    from distributed.comm import connect
    from distributed.security import Security

    options = Security().get_connection_args("client")
    comm = await asyncio.wait_for(connect(address, CONNECT_SECONDS, **options), 2 * CONNECT_SECONDS)
    await comm.close()


class DaskCluster:
    """The workers of a scheduler. Tasks of a worker that dies are done again by another one."""

    def __init__(self, client: Client, address: str) -> None:
        """Take a connected client and the address that the user gave."""
        self._client, self._address = client, address
        self._executor = client.get_executor(pure=False)
        self._threads, self._counted = 0, float("-inf")

    def count_threads(self) -> int:
        """Return how many tasks can run at the same moment, as of `RECOUNT_SECONDS` ago at most; 1 without workers."""
        if time.monotonic() - self._counted > RECOUNT_SECONDS:
            self._threads = max(self._count_threads(), 1)
            self._counted = time.monotonic()
        return self._threads

    def _count_threads(self) -> int:
        with self._one_line():
            return sum(self._client.nthreads().values())

    def submit(self, function: Callable[[Any], Any], argument: Any) -> _DaskTask:
        """Let a worker call a function.

        Args:
            function: defined in a room of stages/, which must have the same content where the worker runs.
            argument: what it is called with.

        Returns:
            The task, whose `result` raises what the function raised, or InputError: the worker has other code, there
            are no workers, or the scheduler is gone.
        """
        call = pickle.dumps(_Call(function, argument))
        with self._one_line():
            return _DaskTask(self, self._executor.submit(pickle.loads, call))

    def wait_for(self, future: Future) -> Any:
        """Return the result of a task; see `submit`."""
        while True:
            with self._one_line(), suppress(TimeoutError):
                return future.result(PATIENCE_SECONDS)
            if not self._count_threads():
                raise InputError(f"{ADDRESS_VARIABLE} = {self._address}: the cluster has no workers; {_START}")

    @contextmanager
    def _one_line(self) -> Iterator[None]:
        from distributed.scheduler import KilledWorker

        try:
            yield
        except (TimeoutError, InputError):
            raise
        except KilledWorker as error:
            problem = f"{error.allowed_failures + 1} workers died of one task, as happens when memory runs out"
        except (OSError, CancelledError):
            problem = "the connection to the scheduler is lost; start the stage again"
        except ImportError as error:
            problem = f"a worker cannot import the project's code ({error}); {_START}, with its requirements"
        else:
            return
        raise InputError(f"{ADDRESS_VARIABLE} = {self._address}: {problem}") from None


class _DaskTask:
    """A task of `DaskCluster`."""

    def __init__(self, cluster: DaskCluster, future: Future) -> None:
        self._cluster, self._future = cluster, future

    def result(self) -> Any:
        return self._cluster.wait_for(self._future)

    def cancel(self) -> None:
        with suppress(Exception):  # the scheduler may be gone
            self._future.cancel()


class _Call:
    """What makes bytes of which `pickle.loads` makes the result of a function.

    If Dask knew the function, it would import it on the scheduler too, and a worker that cannot import it would end.
    """

    def __init__(self, function: Callable[[Any], Any], argument: Any) -> None:
        self._function, self._argument = function, argument

    def __reduce__(self) -> tuple[Any, ...]:
        return run_checked, (code_versions(self._function.__module__), self._function, self._argument)


def run_checked(versions: dict[str, str], function: Callable[[Any], Any], argument: Any) -> Any:
    """Call a function on a worker whose code is that of the client.

    Args:
        versions: what `code_versions` returned to the client.
        function: the function.
        argument: what it is called with.

    Raises:
        InputError: the code differs.
    """
    found = code_versions(function.__module__)
    if found == versions:
        return function(argument)
    from distributed import get_worker

    different = [name for name in versions if found.get(name) != versions[name]]
    differences = ", ".join(f"{name} {found.get(name)} instead of {versions[name]}" for name in different)
    raise InputError(f"the Dask worker {get_worker().address} has {differences}; {_START}, with its requirements")


@lru_cache
def code_versions(module: str) -> dict[str, str]:
    """Return what the results of a module's functions depend on: Python, numpy, and the code of its room.

    Args:
        module: the name of a module of a room, which imports no other room.

    Returns:
        Versions by name; of the room, the beginning of a SHA-256.
    """
    spec = importlib.util.find_spec(module)
    assert spec and spec.origin
    room = Path(spec.origin).parent
    digest = hashlib.sha256()
    for path in sorted(room.glob("*.py")):
        digest.update(f"{path.name}\n".encode() + path.read_bytes())
    python = ".".join(platform.python_version_tuple()[:2])
    return {"Python": python, "numpy": version("numpy"), f"stages/{room.name}": digest.hexdigest()[:12]}
