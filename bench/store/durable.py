"""Bytes onto a disk, so that a kill, a full disk or a loss of power leaves all of a file or nothing of it.

A temporary file in the same folder, a write loop, fsync, a link or rename, fsync of the folder: only then is it done.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from bench import faults
from bench.spec import BenchError, ExitCode

DEPTH = 3
"""How many folders above a file this program makes: results/costs/<device>/."""

_synced: set[Path] = set()
"""Folders whose own entries this process has put on the disk."""


def commit(path: Path, content: bytes, points: str = "store") -> None:
    """Create `path` with `content`, durably and never over an existing file; a kill leaves all of it or nothing.

    Raises BenchError (code ENVIRONMENT) if it exists or cannot be written.  `points` begins the names of the places
    where tests let it fail.
    """
    with _named(path):
        temporary = _written(path, content, points)
        try:
            os.link(temporary, path)
            faults.at(f"{points}.renamed")
        finally:
            temporary.unlink()
        sync_folder(path.parent)
        faults.at(f"{points}.dirsynced")
    faults.at(f"{points}.acked")


def replace(path: Path, content: bytes, points: str = "store") -> None:
    """Put `content` at `path`, durably; a kill leaves the old content or the new."""
    with _named(path):
        temporary = _written(path, content, points)
        try:
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        faults.at(f"{points}.renamed")
        sync_folder(path.parent)
        faults.at(f"{points}.dirsynced")
    faults.at(f"{points}.acked")


def make_folders(folder: Path) -> None:
    """Create `folder` and what is missing above it, so that a loss of power does not take it away again.

    Folders that are there already are put on the disk once as well: who made them may have been killed before that.
    """
    folder = folder.absolute()
    if folder in _synced and folder.is_dir():
        return
    missing = [folder, *folder.parents]
    missing = missing[: next(i for i, one in enumerate(missing) if one.exists())]
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
    for one in list(folder.parents)[: max(DEPTH, len(missing))]:
        with contextlib.suppress(PermissionError):  # a folder of somebody else's, which we did not change either
            sync_folder(one)
    _synced.add(folder)


def sync_folder(folder: Path) -> None:
    """Put the names in `folder` on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # this file system cannot, and need not
            raise
    finally:
        os.close(handle)


def refuse_links(top: Path, path: Path) -> Path:
    """`path`, unless a folder between `top` and it is a symbolic link: what is written must not land elsewhere."""
    for folder in (path, *path.parents):
        if folder == top:
            break
        if folder.is_symlink():
            problem = "is a symbolic link, and nothing is written through one"
            raise BenchError(problem, remedy="replace it by a folder", file=folder, code=ExitCode.STORE)
    return path


def is_stale(temporary: Path) -> bool:
    """Whether a temporary file was left by a process of this machine that is gone."""
    number = temporary.name.removesuffix(".tmp").rpartition(".")[2]
    try:
        os.kill(int(number), 0)
    except PermissionError:
        pass  # it lives, and is somebody else's
    except (ProcessLookupError, OverflowError, ValueError):
        return True
    return False


def _written(path: Path, content: bytes, points: str) -> Path:
    """A durable temporary file beside `path` that holds `content`."""
    make_folders(path.parent)
    temporary = path.parent / f".{path.name}.{os.getpid()}.tmp"
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        faults.at(f"{points}.tmp_open")
        rest = memoryview(content)
        while rest:  # one os.write may be short without an error (quota, file size limit)
            count = os.write(handle, rest)
            if count == 0:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            rest = rest[count:]
        faults.at(f"{points}.written")
        if os.fstat(handle).st_size != len(content):  # a file system that says it wrote more than it did
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        os.fsync(handle)  # never asked for twice: after a failure the kernel may have dropped the pages
        faults.at(f"{points}.fsynced")
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)
    return temporary


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """A failing disk or a missing permission, as one line that names the path."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        remedy = "free some space and start again: finished runs are kept" if full else "check the path"
        problem = f"cannot be written ({error.strerror})"
        raise BenchError(problem, remedy=remedy, file=path, code=ExitCode.ENVIRONMENT) from None
