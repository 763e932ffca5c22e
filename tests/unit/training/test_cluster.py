"""The environment describes on what to train; what it cannot mean is one line."""

import json

import pytest

from stages.training.cluster import Cluster, read_cluster, use_all_devices
from stages.utils.errors import InputError


def describe(cluster, kind="worker", index=0, **others):
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}, **others})}


@pytest.mark.parametrize("environment", [{}, {"TF_CONFIG": ""}])
def test_no_cluster(environment):
    assert read_cluster(environment) is None


@pytest.mark.parametrize(
    "environment, expected",
    [
        (describe({"worker": ["a:1", "b:2"]}, index=1), Cluster(("a:1", "b:2"), 1)),
        (describe({"chief": ["c:3"], "worker": ["a:1", "b:2"]}, index=1), Cluster(("c:3", "a:1", "b:2"), 2)),
        (describe({"worker": ["a:1"], "chief": ["c:3"]}, "chief"), Cluster(("c:3", "a:1"), 0)),
        (describe({"worker": ["a:1"]}, rpc_layer="grpc", environment="cloud"), Cluster(("a:1",), 0)),
    ],
)
def test_clusters(environment, expected):
    assert read_cluster(environment) == expected


@pytest.mark.parametrize(
    "environment, problem",
    [
        ({"TF_CONFIG": "{"}, r"not JSON \("),
        ({"TF_CONFIG": "[]"}, "all of it: "),
        ({"TF_CONFIG": "{}"}, "cluster: Field required"),
        (describe({}), "cluster has no workers"),
        (describe({"worker": ["a:1"], "ps": ["b:1"]}), "cluster.ps: "),
        (describe({"worker": "a:1"}), "cluster.worker: "),
        (describe({"worker": ["a"]}), "cluster.worker.0: "),
        (describe({"worker": ["a:1", "http://b:1"]}), "cluster.worker.1: "),
        (describe({"worker": ["a:1", "a:1"]}), "an address stands twice"),
        (describe({"worker": ["a:1"]}, index=1), "task.index = 1, but cluster has 1 tasks of type worker"),
        (describe({"worker": ["a:1"]}, index=-1), "task.index: "),
        (describe({"worker": ["a:1"]}, "chief"), "task.index = 0, but cluster has 0 tasks of type chief"),
        (describe({"worker": ["a:1"]}, "evaluator"), "task.type: "),
        (describe({"chief": ["a:1", "b:1"], "worker": ["c:1"]}), "cluster.chief: "),
    ],
)
def test_what_describes_no_cluster_is_one_line(environment, problem):
    with pytest.raises(InputError, match=f"^the environment variable TF_CONFIG: {problem}.*; unset it") as error:
        read_cluster(environment)
    assert "\n" not in str(error.value)


def test_devices():
    assert [use_all_devices(variables) for variables in ({}, {"TRAIN_DEVICES": "one"}, {"TRAIN_DEVICES": "all"})] == [
        False,
        False,
        True,
    ]
    with pytest.raises(InputError, match="TRAIN_DEVICES = '2': must be one or all"):
        use_all_devices({"TRAIN_DEVICES": "2"})
