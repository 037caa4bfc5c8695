"""A2 and A4 at the calls of Python: a commit killed before each, or refused by the disk at each or from each on.

`test_store_syscalls.py` does the same at the calls of the kernel, which takes longer.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

LONG = pytest.mark.fault
FULL = ("ENOSPC+on", "EDQUOT+on", "EIO+on", "EROFS+on", "ENOSPC", "EDQUOT", "EIO", "EROFS")


@pytest.mark.parametrize("runs", [1, pytest.param(3, marks=LONG)])
def test_a_kill_before_every_call_loses_nothing(
    tmp_path: Path, script: Any, figure: Callable[..., None], runs: int
) -> None:
    found = script("calls.py", "kill", tmp_path, STORE_RUNS=str(runs))
    assert found["wrong"] == []
    assert found["points"] >= 30 * runs
    figure("A2 calls of a commit, killed before each", f"{found['points']} points, 0 violations")


@pytest.mark.parametrize("what", [FULL[0], *(pytest.param(one, marks=LONG) for one in FULL[1:])])
def test_a_disk_that_fails_at_any_call_loses_nothing(
    tmp_path: Path, script: Any, figure: Callable[..., None], what: str
) -> None:
    """Exit code 5 and a line that names the path; the next start brings the work to its end."""
    found = script("calls.py", what, tmp_path)
    assert found["wrong"] == []
    assert found["points"] >= 30
    figure(f"A4 {what} at every call", f"{found['points']} points, 0 lost, exit 5, work goes on")


@pytest.mark.parametrize("limits", [13, pytest.param(130, marks=LONG)])
def test_writes_cut_short_by_a_quota_lose_nothing(
    tmp_path: Path, script: Any, figure: Callable[..., None], limits: int
) -> None:
    found = script("calls.py", "limit", tmp_path, limits)
    assert found["wrong"] == []
    assert found["points"] >= limits
    figure("A4 limit on the size of files (ulimit -f)", f"{found['points']} limits, 0 lost, exit 5, work goes on")


def test_a_write_that_is_not_repeated_is_caught(tmp_path: Path, script: Any, figure: Callable[..., None]) -> None:
    """Negative control of the test above: temporary file, fsync and rename, but one os.write."""
    found = script("calls.py", "limit-control", tmp_path, 13)
    lost = [at for at, wrong in found["wrong"] if any("is lost" in one for one in wrong)]
    assert len(lost) >= 2
    figure("A4 control: one write without a loop", f"{len(lost)} of {found['points']} limits lost records")
