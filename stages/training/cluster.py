"""On what a training runs: one device, all devices of a host, or several hosts, as the environment says.

The environment says it and not params.yaml, since it is a matter of the machines at hand: whatever the number of
devices, the same settings make the same batches and updates, and weights that differ by rounding errors only.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationError

from stages.utils.errors import InputError

DEVICES_VARIABLE, CLUSTER_VARIABLE = "TRAIN_DEVICES", "TF_CONFIG"
"""The environment variables: "one" (as when it is not set) or "all"; TensorFlow's description of a cluster."""

_EXAMPLE = '{"cluster": {"worker": ["host-a:12345", "host-b:12345"]}, "task": {"type": "worker", "index": 0}}'

_Address = Annotated[str, Field(pattern=r"^[^\s:/]+:[0-9]{1,5}$")]


class _Task(BaseModel):
    type: Literal["chief", "worker"]
    index: Annotated[int, Field(ge=0)]


class _Workers(BaseModel, extra="forbid"):
    chief: list[_Address] = Field(default=[], max_length=1)
    worker: list[_Address] = []


class _ClusterVariable(BaseModel):
    cluster: _Workers
    task: _Task


@dataclass(frozen=True)
class Cluster:
    """Processes that train together, one on each host.

    Attributes:
        addresses: host:port of each, the chief's first.
        index: which of them this process is.
    """

    addresses: tuple[str, ...]
    index: int


def use_all_devices(environment: Mapping[str, str]) -> bool:
    """Return whether to train on all devices of this host.

    Raises:
        InputError: the variable has another value than "one" and "all".
    """
    value = environment.get(DEVICES_VARIABLE) or "one"
    if value not in ("one", "all"):
        raise InputError(f"the environment variable {DEVICES_VARIABLE} = {value!r}: must be one or all")
    return value == "all"


def read_cluster(environment: Mapping[str, str]) -> Cluster | None:
    """Return the cluster that the environment describes, or None if it describes none.

    Raises:
        InputError: the variable is not JSON, or its content describes no cluster, or a task that is not in it.
    """
    text = environment.get(CLUSTER_VARIABLE)
    if not text:
        return None
    try:
        described = _ClusterVariable.model_validate(json.loads(text))
    except json.JSONDecodeError as error:
        raise _refuse(f"not JSON ({error})") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise _refuse(f"{'.'.join(map(str, first['loc'])) or 'all of it'}: {first['msg']}") from None
    workers, task = described.cluster, described.task
    addresses = (*workers.chief, *workers.worker)
    tasks = workers.chief if task.type == "chief" else workers.worker
    if not addresses:
        raise _refuse("cluster has no workers")
    if len({*addresses}) < len(addresses):
        raise _refuse("an address stands twice in cluster")
    if task.index >= len(tasks):
        raise _refuse(f"task.index = {task.index}, but cluster has {len(tasks)} tasks of type {task.type}")
    return Cluster(addresses, task.index + (len(workers.chief) if task.type == "worker" else 0))


def _refuse(problem: str) -> InputError:
    return InputError(
        f"the environment variable {CLUSTER_VARIABLE}: {problem};"
        f" unset it to train on this host alone, or set {_EXAMPLE}"
    )
