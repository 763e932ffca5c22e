"""Files and folders that appear as a whole or not at all."""

import errno
import hashlib
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path


@contextmanager
def atomic_file(path: Path, overwrite: bool = True) -> Iterator[Path]:
    """Yield a temporary path to write to, which replaces `path` at the end; after an error `path` is as before.

    Temporary files of processes that were killed are removed as well.

    Args:
        path: the file.
        overwrite: whether to replace a file that has that name by the end.

    Raises:
        FileExistsError: there is such a file, and it is not to be overwritten.
        OSError: writing failed; the error names `path` if it named no other file.
    """
    _remove_stale(path)
    part = temp_path(path)
    try:
        with _naming(path, part):
            yield part
            _flush_to_disk(part)  # or a power failure might leave the name without the content
            part.replace(path) if overwrite else _rename_to_new(part, path)
    finally:
        _remove(part)


@contextmanager
def atomic_directory(folder: Path) -> Iterator[Path]:
    """Yield an empty folder to fill, which replaces `folder` at the end; after an error `folder` is as before.

    What has that name may also be a file. Temporary folders of processes that were killed are removed as well.

    Raises:
        OSError: writing failed; the error names `folder` if it named no other file.
    """
    _remove_stale(folder)
    work = temp_path(folder)
    new, old = work / "new", work / "old"
    try:
        with _naming(folder, new, work):
            new.mkdir(parents=True)
            yield new
            if folder.exists():
                folder.replace(old)
            new.replace(folder)
    finally:
        if not folder.exists() and old.exists():
            old.replace(folder)
        shutil.rmtree(work, ignore_errors=True)


def become_file(folder: Path, file: Path) -> None:
    """Let the only file in a folder of `atomic_directory` appear in place of the folder."""
    spare = folder.with_name("file")
    file.replace(spare)
    folder.rmdir()
    spare.replace(folder)


def check_writable(sizes: Mapping[Path, int]) -> None:
    """Find out whether `atomic_file` will be able to write some files, before the work that makes their content.

    Args:
        sizes: about how many bytes each file will have; as many are written for a moment.

    Raises:
        OSError: a file cannot be written; the error names it.
    """
    parts = {path: temp_path(path) for path in sizes}
    try:
        for path, part in parts.items():
            with _naming(path, part):
                part.write_bytes(bytes(sizes[path]))
                _flush_to_disk(part)  # some network file systems do not report a full disk before
    finally:
        for part in parts.values():
            _remove(part)


def temp_path(path: Path) -> Path:
    """Return where this process writes what is to become `path`: a hidden file beside it, whose name is short.

    The name holds a digest of the file's name, which may be as long as the file system allows, and the number of this
    process, since another one, whose parent was killed, may be writing the same output a last time. It also says where
    the process has this number: other hosts and containers may write to the same folder.
    """
    return path.with_name(f".{_digest(path)}.{os.getpid()}.{_process_space()}.part")


def stale_temp_files(path: Path) -> list[Path]:
    """Return the temporary paths for `path` (see `temp_path`) of processes of this host that no longer run."""
    parts = path.parent.glob(f".{_digest(path)}.*.{_process_space()}.part")
    numbers = {part: part.name.split(".")[2] for part in parts}
    return [part for part, number in numbers.items() if number.isdecimal() and not _runs_elsewhere(int(number))]


@cache
def _process_space() -> str:
    # Names what process numbers are unique in: the host, on Linux also the container.
    container = ""
    with suppress(OSError):
        container = str(Path("/proc/self/ns/pid").readlink())
    return hashlib.sha256(f"{platform.node()} {container}".encode()).hexdigest()[:8]


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path.name)).hexdigest()[:12]


@contextmanager
def _naming(path: Path, *parts: Path) -> Iterator[None]:
    """Let an operating-system error name `path` if it names no file, or a temporary one.

    Args:
        path: a file or folder.
        parts: temporary paths of what is to become `path`, each inside the next.
    """
    try:
        yield
    except OSError as error:
        name = error.filename
        if name is None and error.errno is not None:
            error.filename = str(path)
        for part in parts:
            if isinstance(name, str) and Path(name).is_relative_to(part):
                error.filename = str(path / Path(name).relative_to(part))
                break
        raise


def _remove_stale(path: Path) -> None:
    for stale in stale_temp_files(path):
        with suppress(OSError):  # those of other users may have to stay
            shutil.rmtree(stale) if stale.is_dir() else stale.unlink()


def _flush_to_disk(file: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())


def _rename_to_new(part: Path, path: Path) -> None:
    # Of the ways to give a file a name only this one never replaces another file.
    try:
        os.link(part, path)
    except FileExistsError:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
    except OSError:  # a file system without hard links
        path.touch(exist_ok=False)
        part.replace(path)


def _remove(part: Path) -> None:
    with suppress(OSError):  # on a read-only disk also where there is no such file; the error that matters is another
        part.unlink()


def _runs_elsewhere(process: int) -> bool:
    if process == os.getpid():  # an earlier process had the same number
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
