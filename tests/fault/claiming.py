"""Processes that claim runs beside one another, die while they hold one, or are stopped; prints what came of it.

Run by `test_store_claims.py` in a process of its own: it forks.
"""

from __future__ import annotations

import collections
import contextlib
import fcntl
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hammer import forked
from storework import put, record, run_id

from bench.spec import BenchError
from bench.store import Store, claim, claimed, is_claimed

PROCESSES = 8


def together(work: Callable[[int], None]) -> list[int]:
    """`work(0)` to `work(7)` at once, each in a process of its own; returns how they ended."""
    ready, go = os.pipe()
    pids = []
    for number in range(PROCESSES):

        def act() -> None:
            os.close(go)
            os.read(ready, 1)  # ends for all of them at once, when the parent closes the other end
            work(number)  # noqa: B023
            os._exit(0)

        pids.append(forked(act))
    os.close(go)
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


def in_own_order(number: int, runs: int) -> list[int]:
    order = list(range(runs))
    random.Random(number // 2).shuffle(order)  # in pairs: each run is wanted by two at the same time
    return order


def race(place: Path, runs: int) -> dict[str, Any]:
    """Every process wants every run; a run is noted as done by who did it."""
    work, done = place / ".bench", place / "done"
    done.mkdir()

    def act(number: int) -> None:
        for one in in_own_order(number, runs):
            lease = claim(work, run_id(one))
            if lease is None:
                continue
            with lease:
                if not any(done.glob(f"{one}.*")):
                    time.sleep(0)
                    (done / f"{one}.{os.getpid()}").touch(exist_ok=False)
                    lease.check()

    ended = together(act)
    times = collections.Counter(path.name.partition(".")[0] for path in done.iterdir())
    numbers = [int((work / "claims" / run_id(one)).read_text().split()[0]) for one in range(runs)]
    return {
        "ended": ended,
        "done": len(times),
        "twice": sum(n > 1 for n in times.values()),
        "claims": sum(numbers),
        "held": len(claimed(work)),
    }


def control(place: Path, runs: int) -> dict[str, Any]:
    """The same with a claim that looks first and creates then."""
    done = place / "done"
    done.mkdir()

    def act(number: int) -> None:
        for one in in_own_order(number, runs):
            path = place / run_id(one)
            if not path.exists():
                time.sleep(0)
                path.touch()
                (done / f"{one}.{os.getpid()}").touch()

    together(act)
    times = collections.Counter(path.name.partition(".")[0] for path in done.iterdir())
    return {"done": len(times), "twice": sum(n > 1 for n in times.values())}


def flocked(path: Path) -> Any:
    """The other kind of lock, which belongs to an open file and lives on in children."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT)
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return handle
    os.close(handle)
    return None


def crashes(place: Path, times: int) -> dict[str, Any]:
    """An owner with a child of its own is killed: how often the run can be claimed at once, though the child lives."""

    def tried(take: Callable[[int], Any]) -> int:
        free = 0
        for number in range(times):
            told, tell = os.pipe()

            def own() -> None:
                assert take(number) is not None  # noqa: B023
                child = forked(lambda: time.sleep(60))
                os.write(tell, f"{child}\n".encode())  # noqa: B023
                time.sleep(60)

            owner = forked(own)
            child = int(os.read(told, 20))
            held = take(number) is None
            os.kill(owner, signal.SIGKILL)
            os.waitpid(owner, 0)
            free += held and take(number) is not None
            os.kill(child, signal.SIGKILL)
            os.close(told)
            os.close(tell)
        return free

    work = place / ".bench"
    return {
        "free": tried(lambda n: claim(work, run_id(n))),
        "free_control": tried(lambda n: flocked(place / "flocks" / str(n))),
    }


def stopped(place: Path) -> dict[str, Any]:
    """A stopped owner is not robbed; one whose claim was removed with its folder stores nothing late."""
    store = Store(place / "results")
    told, tell = os.pipe()

    def own() -> None:
        lease = store.claim(run_id(1))
        assert lease is not None
        os.write(tell, b"mine")
        os.kill(os.getpid(), signal.SIGSTOP)
        try:
            store.add_run(record(1), {}, lease)
        except BenchError as error:
            os.write(tell, f"{int(error.code)} {error}".encode())
        os._exit(0)

    owner = forked(own)
    os.read(told, 4)
    os.waitpid(owner, os.WUNTRACED)
    found: dict[str, Any] = {
        "stolen": store.claim(run_id(1)) is not None,
        "is_claimed": is_claimed(store.work, run_id(1)),
    }
    (store.work / "claims" / run_id(1)).unlink()
    put(store, 1)
    lease = store.claim(run_id(1))
    before = sorted(path.name for path in (store.root / "runs").iterdir())
    os.kill(owner, signal.SIGCONT)
    found["late"] = os.read(told, 300).decode()
    os.waitpid(owner, 0)
    found["unchanged"] = before == sorted(path.name for path in (store.root / "runs").iterdir())
    found["still_mine"] = lease is not None and lease.check() is None
    return found


if __name__ == "__main__":
    kind, place, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    if kind == "stopped":
        print(json.dumps(stopped(place)))
    else:
        print(json.dumps({"race": race, "control": control, "crashes": crashes}[kind](place, count)))
