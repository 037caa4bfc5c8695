"""A process that stores one record after another, killed again and again; prints what came of it as JSON.

Run by `test_store_kill.py` in a process of its own: it forks.
"""

from __future__ import annotations

import collections
import json
import mmap
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from storework import acknowledge, acknowledged, failure, is_there, put, record

from bench import faults
from bench.store import Store, dump
from bench.store.checking import check
from bench.store.repairing import repair

POINTS = ["outside", *(f"store.{p}" for p in ("tmp_open", "written", "fsynced", "renamed", "dirsynced", "acked"))]
POINTS += ["claim.taken", "claim.released"]


def forked(work: Callable[[], Any]) -> int:
    """`work` in a child; returns its process id."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(1)
    return pid


def told(file: Path) -> int:
    return os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def storing(root: Path, acks: Path, first: int) -> None:
    """Store records from number `first` on, without end."""
    store, handle = Store(root), told(acks)
    for number in range(first, first + 100_000):
        if number % 3 == 0:
            store.add_failure(failure(number))
        put(store, number)
        acknowledge(handle, number)


def rewriting(file: Path, acks: Path, first: int) -> None:
    """The negative control: all records in one file, written anew for each."""
    handle = told(acks)
    kept = json.loads(file.read_text()) if file.exists() else {}
    for number in range(first, first + 100_000):
        kept[str(number)] = json.loads(dump(record(number)))
        with file.open("w") as stream:
            json.dump(kept, stream, indent=1)
        acknowledge(handle, number)


def at_points(root: Path, acks: Path) -> dict[str, Any]:
    """Killed at each fault point, the first to the seventh time it is passed; never at random."""
    os.fsync = lambda handle: None  # which no kill of a process can tell
    ended, first = [], 0
    for point in POINTS[1:]:
        for nth in range(1, 8):
            os.environ["BENCH_FAULT"] = f"{point}:{nth}:kill"
            first += 100
            pid = forked(lambda: storing(root, acks, first))  # noqa: B023
            ended.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    del os.environ["BENCH_FAULT"]
    return {"killed": ended.count(-signal.SIGKILL), **outcome(root, acks)}


def at_random(root: Path, acks: Path, kills: int) -> dict[str, Any]:
    """Killed after a random time, `kills` times; tells where each of them struck."""
    draw, page = random.Random(kills), mmap.mmap(-1, 1)
    hits: collections.Counter[str] = collections.Counter()
    lost = 0

    def passing(point: str) -> None:
        page[0] = POINTS.index(point)

    faults.at = passing  # type: ignore[assignment]
    for round_ in range(kills):
        first, before, page[0] = round_ * 1000, len(acknowledged(acks)), 0
        pid = forked(lambda: storing(root, acks, first))  # noqa: B023
        while len(acknowledged(acks)) == before and page[0] == 0:
            time.sleep(0.001)  # it has begun
        time.sleep(draw.uniform(0.0, 0.06))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        hits[POINTS[page[0]]] += 1
        lost += sum(not is_there(Store(root), number) for number in acknowledged(acks)[before:])
    return {"killed": sum(hits.values()), "hits": hits, "lost_at_once": lost, **outcome(root, acks)}


def outcome(root: Path, acks: Path) -> dict[str, Any]:
    """What the killed processes left: acknowledged records that are not there, and what a check finds."""
    store, numbers = Store(root), acknowledged(acks)
    lost = [number for number in numbers if not is_there(store, number)]
    kinds = collections.Counter(one.kind for one in check(store))
    repair(store)
    again = repair(store)
    return {
        "acknowledged": len(numbers),
        "lost": len(lost) + sum(not is_there(store, number) for number in numbers),
        "kinds": kinds,
        "after_repair": [one.problem for one in check(store)],
        "second_repair": len(again.moves),
    }


def control(file: Path, acks: Path, kills: int) -> dict[str, Any]:
    """How often the rewritten file is unreadable, or lacks what was acknowledged, after a kill."""
    draw, broken = random.Random(kills), 0
    for round_ in range(kills):
        file.write_text(json.dumps({str(n): json.loads(dump(record(n))) for n in range(60)}))
        acks.write_text("")
        pid = forked(lambda: rewriting(file, acks, 1000 * round_ + 100))  # noqa: B023
        while not acknowledged(acks):
            time.sleep(0.001)
        time.sleep(draw.uniform(0.0, 0.06))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        try:
            kept = json.loads(file.read_text())
            broken += any(str(number) not in kept for number in acknowledged(acks))
        except ValueError:
            broken += 1
    return {"killed": kills, "broken": broken}


if __name__ == "__main__":
    mode, place, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    root, acks = place / "results", place / "acknowledged"
    if mode == "points":
        print(json.dumps(at_points(root, acks)))
    elif mode == "random":
        print(json.dumps(at_random(root, acks, count)))
    else:
        print(json.dumps(control(place / "all.json", acks, count)))
