"""A2 and A4 at the calls of the kernel: strace kills a commit at each, or lets each fail, or cuts each write short."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

LONG = pytest.mark.fault
WRITING = ("write", "fsync", "link", "rename", "mkdir")
CARD = pytest.mark.card


@pytest.mark.usefixtures("strace")
@pytest.mark.parametrize("runs", [pytest.param(1, marks=LONG), pytest.param(3, marks=CARD)])
def test_a_kill_at_every_system_call_loses_nothing(
    tmp_path: Path, script: Any, figure: Callable[..., None], runs: int
) -> None:
    found = script("syscalls.py", "kill", tmp_path, STORE_RUNS=str(runs), PYTHONDONTWRITEBYTECODE="1")
    assert found["wrong"] == []
    assert found["points"] >= 30 * runs
    figure("A2 system calls of a commit, killed at each", f"{found['points']} points, 0 violations")


@pytest.mark.usefixtures("strace")
@pytest.mark.parametrize(
    ("what", "calls"),
    [
        pytest.param("short", ("write",), marks=LONG),
        pytest.param("EIO", ("fsync", "write"), marks=LONG),
        pytest.param("ENOSPC+", ("write", "link", "mkdir"), marks=LONG),
        pytest.param("EDQUOT+", WRITING, marks=CARD),
        pytest.param("EIO+", WRITING, marks=CARD),
        pytest.param("EROFS+", (*WRITING, "openat", "unlink"), marks=CARD),
        pytest.param("EXDEV", ("link", "rename"), marks=CARD),
        pytest.param("ENOSPC", (*WRITING, "openat", "pwrite64", "ftruncate"), marks=CARD),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_system_call_that_fails_loses_nothing(
    tmp_path: Path, script: Any, figure: Callable[..., None], what: str, calls: tuple[str, ...]
) -> None:
    found = script("syscalls.py", what, tmp_path, *calls, PYTHONDONTWRITEBYTECODE="1")
    assert found["wrong"] == []
    assert found["points"] >= 3
    words = "that says it wrote one byte" if what == "short" else f"with {what}"
    figure(f"A4 {', '.join(calls)} {words}", f"{found['points']} points, 0 lost, exit 5, work goes on")
