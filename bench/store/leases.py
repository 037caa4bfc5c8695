"""A run, claimed by the process that runs it: no other starts it, a dead owner blocks nobody, a late one is refused.

.bench/claims/<run id> holds the number of the last claim and who made it, and is locked while that process lives.  The
lock is the kernel's, of the kind that belongs to a process (lockf): it ends with its owner however that dies, and the
owner's loader processes, which may outlive it, do not hold it on, as they would a lock of the other kind (flock,
filelock).  A process must therefore not open a claim that it holds: closing any handle of the file gives the lock up.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import secrets
import threading
from pathlib import Path
from types import TracebackType

from bench import faults
from bench.spec import BenchError, ExitCode
from bench.store.durable import make_folders, refuse_links

_mine: dict[Path, int] = {}
"""Claim -> the process that holds it: this one, or the one that this was forked from."""
_guard = threading.Lock()


class Lease:
    """The right to run `run_id` and to store what comes of it; made by `claim`, given up by `release` or by leaving.

    `number` is the fencing token: each claim of a run has a higher one.
    """

    def __init__(self, run_id: str, path: Path, handle: int) -> None:
        self.run_id, self.path = run_id, path
        self._handle: int | None = handle
        self.number = _number_in(handle) + 1
        self._note = f"{self.number} {os.getpid()} {platform.node()} {secrets.token_hex(8)}\n".encode()
        os.ftruncate(handle, os.pwrite(handle, self._note, 0))

    def check(self) -> None:
        """Raise BenchError (code STORE) if another process has claimed the run meanwhile: call it before storing.

        That can happen only where `.bench/` was removed or its file system does not lock.
        """
        try:
            mine = self._handle is not None and self._is_mine(self._handle)
        except OSError as error:
            raise _unusable(self.path, error) from None
        if not mine:
            problem = "the run was claimed by another process, and what this one made of it is not stored"
            remedy = "keep .bench/ while a sweep runs, on a file system that locks"
            raise BenchError(problem, remedy=remedy, file=self.path, code=ExitCode.STORE)

    def _is_mine(self, handle: int) -> bool:
        try:  # a lock that was lost is taken again, unless somebody has it
            locked = not _is_busy(handle, os.F_TLOCK)
            return locked and os.pread(handle, len(self._note), 0) == self._note and _lies_at(self.path, handle)
        except FileNotFoundError:  # removed, and nobody has claimed the run since
            return True

    def release(self) -> None:
        """Give the run up; twice is no fault."""
        with _guard:
            if self._handle is not None:
                os.close(self._handle)
                self._handle = None
                _mine.pop(self.path, None)
        faults.at("claim.released")

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


def claim(work: Path, run_id: str) -> Lease | None:
    """Claim a run for this process, in the working folder `work`; None while a living process has it.

    Raises BenchError (code ENVIRONMENT) where the folder cannot be written or its file system does not lock.
    """
    path = _file(work, run_id)
    with _guard:
        if _mine.get(path) == os.getpid():
            return None
        handle = None
        try:
            make_folders(path.parent)
            handle = _locked(path)
            if handle is None:
                return None
            lease = Lease(run_id, path, handle)
        except OSError as error:
            if handle is not None:
                os.close(handle)
            raise _unusable(path, error) from None
        _mine[path] = os.getpid()
    faults.at("claim.taken")
    return lease


def is_claimed(work: Path, run_id: str) -> bool:
    """Whether a living process, this one or another, has the run now; changes nothing."""
    path = _file(work, run_id)
    with _guard:
        if _mine.get(path) == os.getpid():
            return True
        try:
            handle = os.open(path, os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            return _is_busy(handle, os.F_TEST)
        except OSError:  # nothing is locked where nothing locks
            return False
        finally:
            os.close(handle)


def claimed(work: Path) -> frozenset[str]:
    """The runs that living processes have now."""
    with contextlib.suppress(FileNotFoundError):
        return frozenset(name for name in os.listdir(work / "claims") if is_claimed(work, name))
    return frozenset()


def _unusable(path: Path, error: OSError) -> BenchError:
    remedy = "free some space, or put .bench/ on a file system that locks"
    return BenchError(f"cannot be claimed ({error.strerror})", remedy=remedy, file=path, code=ExitCode.ENVIRONMENT)


def _file(work: Path, run_id: str) -> Path:
    return refuse_links(work, work / "claims").absolute() / run_id


def _locked(path: Path) -> int | None:
    """A locked handle of `path`, made if need be; None if another process has it."""
    while True:
        with contextlib.ExitStack() as opened:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
            opened.callback(os.close, handle)
            if _is_busy(handle, os.F_TLOCK):
                return None
            with contextlib.suppress(FileNotFoundError):  # removed since: what is locked has no name
                if _lies_at(path, handle):
                    opened.pop_all()
                    return handle


def _is_busy(handle: int, command: int) -> bool:
    """Whether another process has the lock that `command` takes or looks at."""
    try:
        os.lockf(handle, command, 0)
    except (BlockingIOError, PermissionError):  # EAGAIN, EACCES
        return True
    return False


def _lies_at(path: Path, handle: int) -> bool:
    """Whether an open file has this name.  Raises FileNotFoundError if nothing has."""
    return os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(handle))


def _number_in(handle: int) -> int:
    found = re.match(rb"([0-9]+) ", os.pread(handle, 19, 0))
    return int(found[1]) if found else 0
