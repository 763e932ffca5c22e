"""Downloads from a server that fails, and archives that are damaged, wrong or malicious."""

import hashlib
import io
import random
import socket
import stat
import struct
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.datasets import archive
from stages.utils.errors import InputError
from tests.helpers import http_server

pytestmark = pytest.mark.filterwarnings("ignore:Duplicate name")

FILES = {
    "set/list.csv": b"name\n" * 40,
    "set/one.midi": random.Random(1).randbytes(3000),
    "set/deep/er/two.midi": random.Random(2).randbytes(500) + bytes(2000),
    "set/empty.midi": b"",
}
SUMS = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
SIZE = sum(map(len, FILES.values()))


def packed(files=FILES, method=zipfile.ZIP_DEFLATED, level=None) -> bytes:
    """Return a zip archive of `files`: a mapping, or pairs of a name or ZipInfo and the content."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method, compresslevel=level) as out:
        for name, content in files.items() if isinstance(files, dict) else files:
            if isinstance(name, zipfile.ZipInfo):
                name.compress_type = method
            out.writestr(name, content)
    return buffer.getvalue()


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def unpack(content: bytes, folder: Path) -> dict[str, bytes]:
    (folder / "set.zip").write_bytes(content)
    archive.extract_archive(folder / "set.zip", folder / "out", SUMS, SIZE, "set.zip")
    return tree(folder / "out")


def rejection(content: bytes, folder: Path) -> str:
    """Return the error for an archive, after checking that nothing was written outside `out`."""
    with pytest.raises(InputError) as caught:
        unpack(content, folder)
    assert set(tree(folder)) <= {"set.zip"} | {f"out/{name}" for name in FILES}
    assert sum(len(content) for content in tree(folder / "out").values()) <= SIZE
    message = str(caught.value)
    assert message.startswith("set.zip: ") and len(message.splitlines()) == 1
    return message


# -- downloading

CONTENT = random.Random(3).randbytes(600_000)


@pytest.fixture(autouse=True)
def _retry_without_delay(monkeypatch):
    monkeypatch.setattr(archive, "RETRY_DELAYS", (0, 0, 0))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def fetch(server, target: Path, max_bytes: int = 10**6) -> bytes:
    archive.download(server.url, target, max_bytes)
    return target.read_bytes()


@pytest.mark.parametrize("length", [True, False])
def test_downloads_a_file(tmp_path, length):
    with http_server.serving(http_server.whole(CONTENT, length)) as server:
        assert fetch(server, tmp_path / "file") == CONTENT
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(http_server.broken(CONTENT, 300_000), id="short body"),
        pytest.param(http_server.broken(CONTENT, 0), id="no body"),
        pytest.param(http_server.broken(CONTENT, 300_000, reset=True), id="reset"),
        pytest.param(http_server.status(503), id="503"),
        pytest.param(http_server.status(500), id="500"),
        pytest.param(http_server.status(429), id="429"),
        pytest.param(lambda handler: None, id="no answer"),
    ],
)
def test_retries_after_a_transient_failure(tmp_path, failure):
    with http_server.serving(failure, failure, http_server.whole(CONTENT)) as server:
        assert fetch(server, tmp_path / "file") == CONTENT
    assert len(server.requests) == 3


def test_resumes_where_the_connection_broke(tmp_path):
    with http_server.serving(
        http_server.broken(CONTENT, 400_000, etag='"1"'), http_server.whole(CONTENT, etag='"1"')
    ) as server:
        assert fetch(server, tmp_path / "file") == CONTENT
    start = int(server.requests[1]["Range"].removeprefix("bytes=").removesuffix("-"))
    assert server.requests[1]["If-Range"] == '"1"'
    assert 300_000 < start <= 400_000  # the rest of the last buffer is requested again


@pytest.mark.parametrize("etags", [('"1"', '"2"'), ('"1"', ""), ("", '"2"'), ('W/"1"', 'W/"1"')])
def test_starts_over_when_the_file_may_have_changed(tmp_path, etags):
    other = CONTENT[::-1]
    with http_server.serving(
        http_server.broken(other, 400_000, etag=etags[0]), http_server.whole(CONTENT, etag=etags[1])
    ) as server:
        assert fetch(server, tmp_path / "file") == CONTENT


def test_starts_over_when_the_server_refuses_the_range(tmp_path):
    answers = http_server.broken(CONTENT, 400_000, etag='"1"'), http_server.status(416), http_server.whole(CONTENT)
    with http_server.serving(*answers) as server:
        assert fetch(server, tmp_path / "file") == CONTENT
    assert "Range" in server.requests[1] and "Range" not in server.requests[2]


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_does_not_retry_for_a_missing_file(tmp_path, code):
    with (
        http_server.serving(http_server.status(code)) as server,
        pytest.raises(InputError, match=f"{server.url}.* {code} "),
    ):
        fetch(server, tmp_path / "file")
    assert len(server.requests) == 1


def test_gives_up_on_a_server_that_stays_busy(tmp_path):
    with http_server.serving(http_server.status(503)) as server, pytest.raises(InputError, match=r"503.*4 attempts"):
        fetch(server, tmp_path / "file")
    assert len(server.requests) == 4


def test_the_error_says_why_a_server_cannot_be_reached(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(InputError, match=r"/x: cannot be downloaded: Connection refused"):
        archive.download(f"http://127.0.0.1:{port}/x", tmp_path / "file", 10)


@pytest.mark.parametrize("url", ["s3://bucket/set.zip", "http://", "https://a b/", "http://[::1/x", "http://a..b/x"])
def test_the_error_says_what_is_wrong_with_a_url(tmp_path, url):
    with pytest.raises(InputError, match="cannot be downloaded") as caught:
        archive.download(url, tmp_path / "file", 10)
    assert "attempts" not in str(caught.value)


@pytest.mark.parametrize("answer", [http_server.whole(CONTENT), http_server.endless])
def test_writes_no_more_than_the_limit(tmp_path, answer):
    with http_server.serving(answer) as server, pytest.raises(InputError, match="larger than"):
        fetch(server, tmp_path / "file", max_bytes=500_000)
    assert (tmp_path / "file").stat().st_size <= 500_000
    assert len(server.requests) == 1


# -- unpacking


@given(
    st.permutations(list(FILES)),
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    st.integers(0, 9),
    st.lists(st.sampled_from(["set/", "set/deep/", "other/"])),
)
@settings(max_examples=30)
def test_accepts_the_files_in_any_order_and_compression(order, method, level, folders):
    content = packed([(name, b"") for name in folders] + [(name, FILES[name]) for name in order], method, level)
    with tempfile.TemporaryDirectory() as folder:
        assert unpack(content, Path(folder)) == FILES


def test_accepts_an_unpacked_folder(tmp_path):
    for name, content in {**FILES, "set/one.wav": b"sound", "aside": b""}.items():
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_bytes(content)
    for number, source in enumerate([tmp_path / "mine", tmp_path / "mine/set"]):
        archive.extract_archive(source, tmp_path / f"out{number}", SUMS, SIZE, "mine")
        assert tree(tmp_path / f"out{number}") == FILES
    (tmp_path / "mine/set/one.midi").write_bytes(b"other")
    with pytest.raises(InputError, match=r"mine: set/one.midi: is not the data set's file"):
        archive.extract_archive(tmp_path / "mine", tmp_path / "changed", SUMS, SIZE, "mine")
    (tmp_path / "mine/set/one.midi").unlink()
    with pytest.raises(InputError, match=r"mine: lacks set/one.midi"):
        archive.extract_archive(tmp_path / "mine", tmp_path / "lacking", SUMS, SIZE, "mine")


def test_names_the_file_that_differs(tmp_path):
    message = rejection(packed(FILES | {"set/one.midi": b"x" + FILES["set/one.midi"][1:]}), tmp_path)
    assert "set/one.midi: is not the data set's file" in message


def test_names_a_file_that_is_missing(tmp_path):
    files = {name: content for name, content in FILES.items() if name != "set/one.midi"}
    assert "lacks set/one.midi" in rejection(packed(files), tmp_path)


def test_names_a_file_that_is_not_listed(tmp_path):
    assert "'set/three.midi': is not a file of the data set" in rejection(
        packed(FILES | {"set/three.midi": b""}), tmp_path
    )


@pytest.mark.parametrize("content", [b"", b"<html>log in here</html>", packed()[:-1], packed()[:2000]])
def test_rejects_an_incomplete_archive(tmp_path, content):
    assert "not a whole zip archive" in rejection(content, tmp_path)


def test_rejects_an_archive_whose_beginning_is_missing(tmp_path):
    assert "'set/list.csv': is damaged" in rejection(packed()[2000:], tmp_path)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_names_a_file_that_is_damaged(tmp_path, method):
    content = bytearray(packed(method=method))
    content[content.index(b"set/one.midi") + len("set/one.midi")] ^= 0xFF  # for deflate, an invalid block type
    assert "set/one.midi: damaged in the archive" in rejection(bytes(content), tmp_path)


def test_names_a_missing_archive(tmp_path):
    with pytest.raises(InputError, match="label: no such file"):
        archive.extract_archive(tmp_path / "none.zip", tmp_path / "out", SUMS, SIZE, "label")


ESCAPES = ["../out.midi", "set/../../out.midi", "set/..", "/out.midi", "//host/share/out.midi", "../", ".", ""]
ESCAPES += ["C:/out.midi", "C:out.midi", "..\\out.midi", "\\out.midi", "\\\\host\\share\\out.midi", "set\\one.midi"]
ESCAPES += ["set/one.midi\0../out.midi"]


@pytest.mark.parametrize("name", ESCAPES)
def test_rejects_a_path_escape(tmp_path, name):
    entry = zipfile.ZipInfo("placeholder")
    entry.filename = name  # ZipInfo's constructor would normalize it
    content = packed([*FILES.items(), (entry, b"bad")])
    assert f"{name!r}: leads out of the folder" in rejection(content, tmp_path)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
@pytest.mark.parametrize("name", ["set/one.midi", "set/deep/"])
def test_rejects_links_and_devices(tmp_path, kind, name):
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = (kind | 0o777) << 16
    assert f"{name!r}: is a link or a device" in rejection(packed([(entry, b"/etc/passwd"), *FILES.items()]), tmp_path)


def test_rejects_duplicate_names(tmp_path):
    content = packed([*FILES.items(), ("set/one.midi", b"another")])
    assert "'set/one.midi': is in the archive twice" in rejection(content, tmp_path)


def test_rejects_a_zip_bomb_before_writing_anything(tmp_path):
    content = packed(FILES | {"set/one.midi": bytes(50_000_000)}, level=9)
    assert len(content) < 100_000
    assert "unpacks to more than" in rejection(content, tmp_path)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("claimed", [0, 1, 3000])
def test_rejects_a_zip_bomb_with_a_false_size(tmp_path, claimed):
    size = 50_000_000
    content = packed(FILES | {"set/one.midi": bytes(size)}, level=9)
    content = content.replace(struct.pack("<L", size), struct.pack("<L", claimed))
    assert "set/one.midi" in rejection(content, tmp_path)


def test_rejects_encryption_and_rare_compression_methods(tmp_path):
    content = bytearray(packed())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    assert "is encrypted" in rejection(bytes(content), tmp_path)
    # zipfile does not limit what one read unpacks with these methods, so a few bytes could fill the memory.
    assert "not deflate" in rejection(packed(method=zipfile.ZIP_LZMA), tmp_path)
    assert "not deflate" in rejection(packed(method=zipfile.ZIP_BZIP2), tmp_path)


@st.composite
def damaged(draw) -> bytes:
    content = bytearray(packed())
    directory = content.index(b"PK\x01\x02")
    for _ in range(draw(st.integers(1, 4))):
        # Most bytes are file content; damage to the headers at the end tests more.
        place = draw(st.integers(0, len(content) - 1) | st.integers(directory, len(content) - 1))
        change = draw(st.sampled_from(["set", "insert", "delete", "cut"]))
        if change == "set":
            content[place] = draw(st.integers(0, 255) | st.sampled_from([0, 0xFF]))
        elif change == "insert":
            content[place:place] = draw(st.binary(min_size=1, max_size=8))
        elif change == "delete":
            del content[place : place + draw(st.integers(1, 8))]
        elif len(content) > 2 * directory:
            del content[place:]
    return bytes(content)


@given(damaged())
@settings(max_examples=200)
def test_damage_is_harmless_or_rejected(content):
    with tempfile.TemporaryDirectory() as folder:
        try:
            assert unpack(content, Path(folder)) == FILES
        except InputError:
            assert set(tree(Path(folder))) <= {"set.zip"} | {f"out/{name}" for name in FILES}
