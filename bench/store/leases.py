"""A run, claimed by the process that runs it: no other starts it, a dead owner blocks nobody, a late one is refused.

.bench/claims/<run id> holds the number of the last claim and who made it, and is locked while that process lives.  The
lock is the kernel's, of the kind that belongs to a process (lockf): it ends with its owner however that dies, and the
owner's loader processes, which may outlive it, do not hold it on, as they would a lock of the other kind (flock,
filelock).  A process must therefore not open a claim that it holds: closing any handle of the file gives the lock up.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import secrets
import threading
from pathlib import Path
from types import TracebackType

from bench import faults
from bench.spec import BenchError, ExitCode
from bench.store.durable import make_folders, refuse_links

BUSY = (errno.EACCES, errno.EAGAIN)

_mine: dict[Path, int] = {}
"""Claim -> the process that holds it: this one, or the one that this was forked from."""
_guard = threading.Lock()


class Lease:
    """The right to run `run_id` and to store what comes of it; made by `claim`, given up by `release` or by leaving.

    `number` is the fencing token: each claim of a run has a higher one.
    """

    def __init__(self, run_id: str, path: Path, handle: int) -> None:
        self.run_id, self.path, self._handle = run_id, path, handle
        self.number = _number_in(handle) + 1
        self._note = f"{self.number} {os.getpid()} {platform.node()} {secrets.token_hex(8)}\n".encode()
        os.ftruncate(handle, 0)
        os.pwrite(handle, self._note, 0)

    def check(self) -> None:
        """Raise BenchError (code STORE) if another process has claimed the run meanwhile: call it before storing.

        That can happen only where `.bench/` was removed or its file system does not lock.
        """
        try:
            mine = self._handle >= 0 and self._is_mine()
        except OSError as error:
            raise _unusable(self.path, error) from None
        if not mine:
            problem = "the run was claimed by another process, and what this one made of it is not stored"
            remedy = "keep .bench/ while a sweep runs, on a file system that locks"
            raise BenchError(problem, remedy=remedy, file=self.path, code=ExitCode.STORE)

    def _is_mine(self) -> bool:
        try:
            os.lockf(self._handle, os.F_TLOCK, 0)  # a lock that was lost is taken again, unless somebody has it
        except OSError as error:
            if error.errno in BUSY:
                return False
            raise
        if os.pread(self._handle, 200, 0) != self._note:
            return False
        try:
            return os.path.samestat(os.stat(self.path, follow_symlinks=False), os.fstat(self._handle))
        except FileNotFoundError:  # removed, and nobody has claimed the run since
            return True

    def release(self) -> None:
        """Give the run up; twice is no fault."""
        with _guard:
            if self._handle >= 0:
                os.close(self._handle)
                self._handle = -1
                if _mine.get(self.path) == os.getpid():
                    del _mine[self.path]
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
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            os.lockf(handle, os.F_TEST, 0)
        except OSError as error:
            return error.errno in BUSY
        finally:
            os.close(handle)
    return False


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
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            os.lockf(handle, os.F_TLOCK, 0)
            if os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(handle)):
                return handle
        except FileNotFoundError:
            pass  # removed between opening and locking: what is locked has no name
        except OSError as error:
            os.close(handle)
            if error.errno in BUSY:
                return None
            raise
        os.close(handle)


def _number_in(handle: int) -> int:
    first = os.pread(handle, 200, 0).partition(b" ")[0]
    return int(first) if first.isdigit() and len(first) < 19 else 0
