"""The processes of a cluster find one another, and refuse those that differ."""

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from stages.training.cluster import Cluster
from stages.training.rendezvous import meet
from stages.utils.errors import InputError


def free_addresses(count):
    """Addresses at which nothing answers."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = tuple(f"127.0.0.1:{place.getsockname()[1]}" for place in sockets)
    for place in sockets:
        place.close()
    return addresses


def outcomes(identities, wait_seconds=30):
    """What `meet` raises in each of several processes, here threads; None where it raises nothing."""
    addresses = free_addresses(len(identities))

    def run(index):
        try:
            return meet(Cluster(addresses, index), identities[index], wait_seconds)
        except InputError as error:
            return str(error)

    with ThreadPoolExecutor(len(identities)) as pool:
        return addresses, list(pool.map(run, range(len(identities))))


def test_three_that_agree():
    assert outcomes([{"data": "1", "code": "2"}] * 3)[1] == [None] * 3


def test_one_that_differs_is_named_by_all_others():
    (first, second, third), results = outcomes([{"data": "1", "code": "2"}] * 2 + [{"data": "3", "code": "2"}])
    assert [result.partition(";")[0] for result in results] == [
        f"TF_CONFIG: the process at {third} differs from this one in: data",
        f"TF_CONFIG: the process at {third} differs from this one in: data",
        f"TF_CONFIG: the process at {first} differs from this one in: data",
    ]
    assert second != third


def test_one_that_does_not_answer(capsys):
    addresses = free_addresses(2)
    with pytest.raises(InputError, match=f"the process at {addresses[1]} cannot be reached .*start the stage there"):
        meet(Cluster(addresses, 0), {}, wait_seconds=0)
    assert capsys.readouterr().err == ""  # there was no time to wait


def test_a_name_that_is_no_host():
    address = f"no.such.host.invalid:{free_addresses(1)[0].rpartition(':')[2]}"
    with pytest.raises(InputError, match=f"the process at {address} cannot be reached"):
        meet(Cluster((*free_addresses(1), address), 0), {}, wait_seconds=0)


def test_something_else_that_answers():
    with socket.create_server(("127.0.0.1", 0)) as place, ThreadPoolExecutor(1) as pool:

        def answer():
            connection, _ = place.accept()
            with connection:
                connection.sendall(b"SSH-2.0\r\n\r\n")

        pool.submit(answer)
        addresses = (*free_addresses(1), f"127.0.0.1:{place.getsockname()[1]}")
        with pytest.raises(InputError, match="cannot be reached"):
            meet(Cluster(addresses, 0), {}, wait_seconds=0)


def test_one_that_answers_but_never_asks():
    with ThreadPoolExecutor(1) as pool:
        addresses = free_addresses(3)
        # The second waits for a third that is not there, and stops answering when it gives up.
        other = pool.submit(meet, Cluster(addresses, 1), {}, 2)
        with pytest.raises(InputError, match=f"the process at {addresses[2]} cannot be reached"):
            meet(Cluster(addresses, 0), {}, wait_seconds=1)
        assert "cannot be reached" in str(other.exception())


def test_a_port_in_use():
    with socket.create_server(("", 0)) as place:
        port = place.getsockname()[1]
        cluster = Cluster((f"127.0.0.1:{port}", "127.0.0.1:1"), 0)
        with pytest.raises(InputError, match=f"port {port} of this host is in use; choose another, on all hosts"):
            meet(cluster, {}, wait_seconds=0)


def test_a_port_that_cannot_be():
    with pytest.raises(InputError, match="port 70000 of this host cannot be used"):
        meet(Cluster(("127.0.0.1:70000", "127.0.0.1:1"), 0), {}, wait_seconds=0)
