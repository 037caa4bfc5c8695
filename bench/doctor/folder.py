"""A results folder -> whether two processes on it can keep out of each other's way, and a record once written stays.

Network file systems are where this breaks: locks that nobody sees, links that copy, times of another clock.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.doctor.finding import Finding, Level
from bench.doctor.host import existing

SECOND = (sys.executable, "-I", str(Path(__file__).with_name("second_process.py")))
WAIT_S = 60.0
SKEW_S = 2.0

PROMISES = {
    "exclusive": ("O_EXCL", "two processes can make one file: records may be overwritten"),
    "link": ("link", "a link can replace a file: records may be overwritten"),
    "rename": ("rename", "a file put in place by one process is not seen by another"),
    "flock": ("flock", "two processes can hold one lock: two sweeps may run at once"),
    "flock_free": ("flock let go", "a lock stays after its owner let it go: sweeps may not start"),
    "lockf": ("lockf", "two processes can hold one lock: a run may be started twice"),
    "fsync": ("fsync", "nothing says when a record is on the disk: a loss of power may take it"),
}
REMEDY = "keep results on a local disk"


def folder(results: Path, command: Sequence[str] = SECOND) -> Iterator[Finding]:
    """Check the file system of `results` from two processes, in a folder that is removed again."""
    here = existing(results)
    try:
        with tempfile.TemporaryDirectory(prefix=".bench-doctor-", dir=here) as place:
            yield file_system(here)
            yield _clock(Path(place))
            yield from _promises(Path(place), command)
    except OSError as error:
        yield Finding("results folder", "fault", f"cannot be written ({error.strerror})", "check its permissions")


def _promises(place: Path, command: Sequence[str]) -> Iterator[Finding]:
    for name in ("made", "linked.tmp", "renamed", "flock", "lockf"):
        (place / name).write_bytes(b"old")
    (place / "renamed.tmp").write_bytes(b"new")
    with (place / "flock").open("rb+") as flocked, (place / "lockf").open("rb+") as locked:
        answers: dict[str, str | None] = {}
        for word, lock, file in (("flock", fcntl.flock, flocked), ("lockf", fcntl.lockf, locked)):
            try:
                lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                answers[word] = str(error.strerror)
        answers = {**_asked(place, [w for w in PROMISES if w != "flock_free"], command), **answers}
    if not answers["flock"]:
        answers |= _asked(place, ["flock_free"], command)
    if not answers["rename"] and (place / "renamed").read_bytes() != b"new":
        answers["rename"] = "the old content is still there"
    for word, (name, meaning) in PROMISES.items():
        if word in answers:
            wrong = answers[word]
            yield (
                Finding(name, "fault", f"{wrong}; {meaning}", REMEDY) if wrong else Finding(name, "ok", "as it must be")
            )


def _asked(place: Path, words: list[str], command: Sequence[str]) -> dict[str, str | None]:
    """What a second process says of each word."""
    try:
        done = subprocess.run(
            [*command, str(place), *words], capture_output=True, text=True, timeout=WAIT_S, check=True
        )
        found: dict[str, str | None] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return dict.fromkeys(words, f"no answer within {WAIT_S:.0f} s")
    except (subprocess.CalledProcessError, ValueError):
        return dict.fromkeys(words, "the second process failed")
    return found


def _clock(place: Path) -> Finding:
    """Whether files get the time of this machine's clock: what is remembered of records rests on it."""
    (place / "now").write_bytes(b"")
    apart = (place / "now").stat().st_mtime - time.time()
    if abs(apart) > SKEW_S:
        return Finding("file times", "warning", f"{apart:+.0f} s from this machine's clock", "set the clocks by NTP")
    return Finding("file times", "ok", "of this machine's clock")


NETWORKED = ("nfs", "cifs", "smb", "lustre", "gpfs", "beegfs", "ceph", "gluster", "fuse", "9p", "afs", "wekafs")


def file_system(here: Path, mounts: Path = Path("/proc/self/mounts")) -> Finding:
    """What kind of file system `here` lies on; where it is mounted is nobody's business."""
    try:
        lines = [line.split() for line in mounts.read_text(errors="replace").splitlines()]
    except OSError:
        return Finding("file system", "note", "not told by this system")
    at = os.path.realpath(here)
    found = {_unescaped(words[1]): words[2] for words in lines if len(words) > 2}
    under = [point for point in found if os.path.commonpath((point, at)) == point]
    kind = found[max(under, key=len)] if under else "unknown"
    level: Level = "ok"
    said, remedy = kind, ""
    if kind in ("tmpfs", "ramfs"):
        level, said, remedy = "warning", f"{kind}: in memory, gone after a restart", "keep results on a disk"
    elif kind.startswith(NETWORKED):
        level, said = (
            "note",
            f"{kind}: a network or user-space file system; the checks below hold for this machine only",
        )
    return Finding("file system", level, said, remedy)


def _unescaped(point: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), point)
