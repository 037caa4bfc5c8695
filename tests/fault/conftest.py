"""What the fault tests share: scripts in processes of their own, and tools that may be missing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def script(name: str, *words: object, before: tuple[str, ...] = (), timeout: float = 280, **environment: str) -> Any:
    """What a script of this folder prints as JSON, run in a process of its own: it forks, limits or kills itself."""
    done = subprocess.run(
        [*before, sys.executable, str(Path(__file__).with_name(name)), *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "BENCH_TESTING": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(name="script")
def _script() -> Callable[..., Any]:
    return script


def can(*command: str) -> bool:
    """Whether a command is there and allowed to work."""
    return shutil.which(command[0]) is not None and subprocess.run(command, capture_output=True).returncode == 0


@pytest.fixture(scope="session")
def strace() -> str:
    """The path of strace, where it may trace."""
    if not can("strace", "-o", os.devnull, "true"):
        pytest.skip("NOT RUN: strace is missing or may not trace here, so no system call was made to fail")
    return str(shutil.which("strace"))


@pytest.fixture(scope="session")
def unshare() -> tuple[str, ...]:
    """The beginning of a command that runs with mounts of its own."""
    if not can("unshare", "-rm", "true"):
        pytest.skip("NOT RUN: unshare is missing or not allowed here, so no small disk was filled")
    return ("unshare", "-rm")
