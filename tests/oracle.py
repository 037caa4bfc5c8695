"""The oracle of all bad input: whatever a command is given, it refuses in one line, and leaves everything as it was."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from bench.spec import ExitCode

ROOT = Path(__file__).resolve().parents[1]
Bench = Callable[..., tuple[int, str, str]]
"""bench(*words) -> (exit code, stdout, stderr)."""

PREFIX = "bench: error: "
REFUSALS = frozenset({ExitCode.USAGE, ExitCode.DATA, ExitCode.STORE, ExitCode.ENVIRONMENT})
CRASHES = ("Traceback", "Segmentation", "core dumped", "internal error")
DERIVED = (".bench/cache/", ".bench/claims/", ".bench/configs.json", ".bench/intervals.json")
"""What a command may write before it refuses: worked out of other files, and empty locks."""


def refused(
    bench: Bench,
    words: Iterable[str],
    sandbox: Path,
    *said: str,
    codes: Collection[int] = REFUSALS,
    rerun: Iterable[str] = (),
) -> str:
    """Run a command that has to be refused in `sandbox`; returns its one line of error, which holds each of `said`.

    Fails unless the exit code is one of `codes`, nothing crashed, one printable line of at most 300 characters says
    why, and no file in or beside the sandbox was made, changed or removed; then `rerun`, a good command, must succeed.
    """
    before = snapshot(sandbox)
    code, out, err = bench(*words)
    assert code in codes, f"exit code {code}: {err}"
    line = only_line(out, err)
    for word in said:
        assert word in line, f"{word!r} is not in {line!r}"
    after = snapshot(sandbox)
    assert after == before, f"changed: {sorted(set(after.items()) ^ set(before.items()))}"
    if rerun:
        code, out, err = bench(*rerun)
        assert code == ExitCode.OK, f"a good command fails afterwards: {err}"
    return line


def only_line(out: str, err: str) -> str:
    """The one line of error in what a command has printed."""
    for word in CRASHES:
        assert word not in out + err, err[-2000:]
    lines = [line for line in err.splitlines() if line.startswith(PREFIX)]
    assert len(lines) == 1, err
    assert lines[0].isprintable()
    assert len(lines[0]) <= len(PREFIX) + 300
    return lines[0]


def snapshot(sandbox: Path) -> dict[str, str]:
    """Every file in `sandbox` with its digest, and the names beside it; what is derived is left out."""
    found = {f"../{path.name}": "" for path in sandbox.parent.iterdir()}
    for path in sandbox.rglob("*"):
        name = path.relative_to(sandbox).as_posix()
        if name.startswith(DERIVED) or (path.is_dir() and not path.is_symlink()):
            continue
        if path.is_symlink() or not path.is_file():
            found[name] = "link" if path.is_symlink() else "special"
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def in_process_of_its_own(sandbox: Path, **environment: str) -> Bench:
    """A command as people start it: its real streams and exit code, and no process that outlives it."""

    def bench(*words: str) -> tuple[int, str, str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench", *words],
            cwd=sandbox,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        out, err = process.communicate(timeout=120)
        left = True
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            left = False
        assert not left, "a process outlives the command"
        return process.returncode, out.decode(), err.decode()

    return bench
