"""What is refused before processes look for one another."""

import pytest

from stages.training.cluster import Cluster
from stages.training.distribution import join_cluster
from stages.utils.errors import InputError


def test_a_batch_size_that_does_not_divide_is_one_line():
    cluster = Cluster(("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"), 0)
    with pytest.raises(
        InputError,
        match=r"^params\.yaml: train\.batch_size = 128: .* equally among 3 devices; set it to a multiple of 3$",
    ):
        join_cluster(cluster, 128, {})
