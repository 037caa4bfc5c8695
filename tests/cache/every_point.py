"""A building process killed at every call that changes the disk, one after the other; prints what came of each as JSON.

Run by `test_kills.py` in a process of its own: it forks, so nothing may have started a thread before.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from trees import dataset, draw, tree

from bench.cache import build, manifest, rows, stored_split
from bench.spec import BenchError

CALLS = ("pwrite", "write", "fsync", "rename", "replace", "truncate", "posix_fallocate", "mkdir")
WRITES = ("pwrite", "write")
manifest.SETTLED_S = -1e6


def child(work: Callable[[], Any]) -> int:
    """`work` in a process of its own; returns how that ended, as os.waitstatus_to_exitcode does."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def counted(at: int, half: bool) -> list[int]:
    """Let the process die before its call number `at` or, with `half`, half-way through its write of that number."""
    seen = [0]

    def wrapped(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*args: Any, **words: Any) -> Any:
            if seen[0] == at:
                if half:
                    call(args[0], bytes(args[1])[: len(args[1]) // 2], *args[2:])
                os.kill(os.getpid(), signal.SIGKILL)
            seen[0] += 1
            return call(*args, **words)

        return instead

    for name in WRITES if half else CALLS:
        setattr(os, name, wrapped(name, getattr(os, name)))
    return seen


def built(root: Path, cache: Path) -> tuple[list[str], bool]:
    """(images decoded, whether all is as it should be)."""
    found = dataset(root)
    split = stored_split(found, cache, workers=1)
    fresh = dataset(root)
    good = split.digest == fresh.digest() and len(split) == len(fresh)
    for index in range(len(fresh)):
        image, label = fresh.read(index)
        good &= np.array_equal(split.images[index].permute(1, 2, 0), image) and np.array_equal(
            split.labels[index], label
        )
    return found.decoded, bool(good)


def killed_everywhere(root: Path, cache: Path, half: bool = False, update: bool = False) -> list[dict[str, Any]]:
    """For every call: how the process ended, what the next one decoded, and whether its split is right.

    With `update` there is a split already, of which one image has changed.
    """
    told = []
    for at in range(10_000):
        shutil.rmtree(cache, ignore_errors=True)
        if update:
            built(root, cache)
            draw(root, "p3", at)
        ended = child(lambda: (counted(at, half), stored_split(dataset(root), cache, workers=1)))  # noqa: B023
        decoded, good = built(root, cache)
        left = sorted(path.suffix for path in cache.iterdir() if path.suffix)
        told.append({"ended": ended, "decoded": len(decoded), "good": good, "left": left})
        if ended == 0 or not good:
            return told
    raise RuntimeError("it never came to an end")


def without_room(root: Path, cache: Path, limit: int) -> dict[str, Any]:
    """Building under a limit on the size of files: what was raised, and what was left."""
    told = cache.parent / "told"

    def work() -> None:
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            stored_split(dataset(root), cache, workers=2)
        except BenchError as error:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            told.write_text(f"{error.code.name} {error}")

    shutil.rmtree(cache, ignore_errors=True)
    told.unlink(missing_ok=True)
    ended = child(work)
    left = sorted(path.suffix for path in cache.iterdir())
    return {
        "ended": ended,
        "told": told.read_text() if told.exists() else "",
        "left": left,
        "good": built(root, cache)[1],
    }


def control(root: Path, cache: Path) -> bool:
    """Whether the check sees a journal that is written before its row."""
    add = build.Building.add

    def too_early(self: Any, index: int, told: Any, image: Any, label: Any) -> Any:
        with rows.writing(self.journal):
            self._note(json.dumps([index, told]).encode())
        return add(self, index, told, image, label)

    build.Building.add = too_early  # type: ignore[method-assign]
    found = all(one["good"] for one in killed_everywhere(root, cache))
    build.Building.add = add  # type: ignore[method-assign]
    return not found


if __name__ == "__main__":
    place = Path(sys.argv[1])
    root = tree(place / "data", 5)
    print(
        json.dumps(
            {
                "whole": killed_everywhere(root, place / "cache"),
                "half": killed_everywhere(root, place / "cache", half=True),
                "update": killed_everywhere(root, place / "cache", update=True),
                "control": control(root, place / "cache"),
                "room": {limit: without_room(root, place / "cache", limit) for limit in (700, 2900)},
            }
        )
    )
