"""Every call of a commit that changes the disk, made to fail or to be the last, one after the other; prints JSON.

The calls are Python's own (`os.write` and the like), replaced in a child; `test_store_syscalls.py` does the same with
the kernel's, through strace.  Run in a process of its own: it forks.  Nothing is really synced, which no kill of a
process and no error of a call can tell.
"""

from __future__ import annotations

import contextlib
import errno
import json
import mmap
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hammer import forked, told
from storework import acknowledge, acknowledged, failure, is_there, put, tell

from bench import faults
from bench.spec import BenchError
from bench.store import Store
from bench.store.checking import check
from bench.store.repairing import repair

CALLS = ("open", "write", "fsync", "link", "replace", "unlink", "mkdir", "ftruncate", "pwrite", "lockf")
RUNS = int(os.environ.get("STORE_RUNS", "1"))


def work(root: Path, handle: int, runs: int = RUNS) -> None:
    """Store what is left of so many runs, as a sweep does, and tell `handle` of each."""
    store = Store(root)
    store.add_failure(failure(0))
    for number in range(runs):
        if not store.attempts(f"r-{number:016x}"):
            put(store, number)
        acknowledge(handle, number)


def ending(act: Callable[[], None]) -> None:
    """Leave as the program does: 0, the code of a fault it names, or 70."""
    code, words = 0, ""
    try:
        act()
    except BenchError as error:
        code, words = int(error.code), f"{error}\n"
    except BaseException as error:
        code, words = 70, f"{error!r} {traceback.extract_tb(error.__traceback__)[-4:]}\n"
    with contextlib.suppress(OSError):  # which may fail as everything else
        tell(2, words.encode())
    os._exit(code)


def failing(at: int, code: int | None, onwards: bool, page: mmap.mmap) -> None:
    """Let call number `at` (and, with `onwards`, all after it) fail with `code`; None: die before it.

    `page` tells that the call was reached.
    """
    seen, ours = [0], os.getpid()

    def wrapped(call: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*args: Any, **words: Any) -> Any:
            if os.getpid() == ours and isinstance(args[0], (int, str, Path)):
                now, seen[0] = seen[0], seen[0] + 1
                page[0] |= now == at
                if now == at and code is None:
                    os.kill(ours, signal.SIGKILL)
                if code is not None and (now == at or (onwards and now > at)):
                    raise OSError(code, os.strerror(code))
            return call(*args, **words)

        return instead

    for name in CALLS:
        setattr(os, name, wrapped(getattr(os, name)))


def judged(root: Path, acks: Path, expected: tuple[int, ...], status: int) -> list[str]:
    """What is wrong after a process that ended with `status`; then the work is done again and must come to an end."""
    wrong = [] if status in expected else [f"ended with {status}"]
    store = Store(root)
    wrong += [f"run {number} is lost" for number in acknowledged(acks) if not is_there(store, number)]
    if root.is_dir():
        left = [one for one in check(store) if one.kind not in ("temporary", "orphan")]
        wrong += [f"{one.kind} {one.path.name}: {one.problem}" for one in left]
    pid = forked(lambda: ending(lambda: work(root, told(acks))))
    again = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    wrong += [f"the next one ended with {again}"] if again else []
    wrong += [f"run {number} is not there" for number in range(RUNS) if not is_there(store, number)]
    repair(store)
    wrong += [f"after repair: {one.problem}" for one in check(store)]
    return wrong


def enumerated(place: Path, code: int | None, onwards: bool) -> Iterator[list[str]]:
    """For each call in turn, what went wrong; ends with the first that is not reached."""
    for at in range(10_000):
        root, acks = place / f"{at}" / "results", place / f"{at}.acks"
        root.parent.mkdir(parents=True)
        handle, page = told(acks), mmap.mmap(-1, 1)
        pid = forked(lambda: ending(lambda: (failing(at, code, onwards, page), work(root, handle))))  # noqa: B023
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if not page[0]:
            return
        yield judged(root, acks, (0, 5) if code else (-signal.SIGKILL,), status)


def limited(place: Path, limits: range) -> Iterator[list[str]]:
    """The same under a limit on the size of a file, where a write is cut short without an error first."""

    def act(root: Path, handle: int, limit: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        work(root, handle)

    for limit in limits:
        root, acks = place / f"{limit}" / "results", place / f"{limit}.acks"
        root.parent.mkdir(parents=True)
        handle = told(acks)
        pid = forked(lambda: ending(lambda: act(root, handle, limit)))  # noqa: B023
        yield judged(root, acks, (0, 5), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def worse() -> None:
    """Negative control: a commit without its write loop."""
    from bench.store import durable, folder

    def commit(path: Path, content: bytes, points: str = "store") -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".new")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.write(handle, content)
        os.fsync(handle)
        os.close(handle)
        os.replace(temporary, path)

    durable.commit = folder.commit = commit
    faults.at = lambda point: None  # type: ignore[assignment]


if __name__ == "__main__":
    kind, place = sys.argv[1], Path(sys.argv[2])
    if kind != "once":
        os.fsync = lambda handle: None
    if kind == "once":
        ending(lambda: work(place / "results", told(place / "acks")))
    if kind == "limit-control":
        worse()
    if kind.startswith("limit"):
        told_of = list(limited(place, range(0, 2600, 2600 // int(sys.argv[3]))))
    else:
        name, _, plus = kind.partition("+")
        told_of = list(enumerated(place, None if name == "kill" else getattr(errno, name), plus == "on"))
    print(json.dumps({"points": len(told_of), "wrong": [[i, w] for i, w in enumerate(told_of) if w]}))
