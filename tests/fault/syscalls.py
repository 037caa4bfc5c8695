"""Every system call of a commit, counted by strace, then made the last or made to fail, one after the other; JSON.

`syscalls.py kill DIR` kills at each, `syscalls.py ENOSPC+ DIR call...` fails from each on, `EIO` at each alone, and
`short` lets each write say that it wrote one byte.  What is left is judged as in `calls.py`.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from calls import judged

CALLS = ("openat", "write", "pwrite64", "ftruncate", "fsync", "link", "rename", "unlink", "mkdir", "fcntl")


def traced(place: Path, calls: Sequence[str], *inject: str) -> int:
    """Do the work of `calls.py` once under strace, which writes beside `place`; returns how it ended."""
    place.mkdir(parents=True)
    words = ["strace", "-f", "-qq", "-y", "-s", "0", "-o", str(place) + ".trace", "-e", f"trace={','.join(calls)}"]
    program = [sys.executable, str(Path(__file__).with_name("calls.py")), "once", str(place)]
    done = subprocess.run([*words, *inject, *program], stderr=subprocess.PIPE, text=True, check=False)
    sys.stderr.write(done.stderr)
    return done.returncode


def counted(place: Path, calls: Sequence[str]) -> dict[str, list[int]]:
    """call -> which of its uses (from 1) touch the store."""
    assert traced(place, calls) == 0
    found: dict[str, list[int]] = {call: [] for call in calls}
    used = dict.fromkeys(calls, 0)
    for line in Path(str(place) + ".trace").read_text().splitlines():
        named = re.match(r"\d+\s+(\w+)\(", line)
        if named and named[1] in used:
            used[named[1]] += 1
            if f"{place}/results" in line or f"{place}/.bench" in line:
                found[named[1]].append(used[named[1]])
    return found


def injected(place: Path, what: str, calls: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """(where, what went wrong) for each use of each of `calls`."""
    uses = [(call, k) for call, ks in counted(place / "count", calls).items() for k in ks]
    onwards = "+" if what.endswith("+") else ""
    fault = {"kill": "signal=SIGKILL", "short": "retval=1"}.get(what, f"error={what.removesuffix('+')}")

    def run(use: tuple[str, int]) -> int:
        call, k = use
        return traced(place / f"{call}-{k}", CALLS, "-e", f"inject={call}:{fault}:when={k}{onwards}")

    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(run, uses))
    for (call, k), status in zip(uses, ended, strict=True):
        here = place / f"{call}-{k}"
        allowed = (-signal.SIGKILL, 128 + signal.SIGKILL) if what == "kill" else (0, 5)
        allowed += (4,) if call == "openat" else ()  # the results could not be looked into
        yield f"{call} {k}", judged(here / "results", here / "acks", allowed, status)


if __name__ == "__main__":
    what, place = sys.argv[1], Path(sys.argv[2])
    told_of = list(injected(place, what, sys.argv[3:] or CALLS))
    print(json.dumps({"points": len(told_of), "wrong": [[at, wrong] for at, wrong in told_of if wrong]}))
