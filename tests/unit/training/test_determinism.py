"""The description of the machine that a network is trained on."""

import json

from stages.training.determinism import describe_environment


def test_the_environment_can_be_written_as_json_and_says_where_a_network_was_trained():
    environment = describe_environment()
    assert json.loads(json.dumps(environment)) == environment
    assert list(environment) == ["python", "keras", "backend", "numpy", "system", "processor", "features"]
    assert all(environment[name] for name in ("python", "keras", "backend", "numpy", "system"))
    assert environment["backend"].startswith("tensorflow ")
