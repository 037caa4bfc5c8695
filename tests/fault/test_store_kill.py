"""A1: a result reported as saved survives SIGKILL of the process that saved it, whenever it comes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

COUNTS = [20, pytest.param(200, marks=pytest.mark.card)]
HARMLESS = {"temporary", "orphan"}
"""What a kill may leave behind: a file nobody reads."""


def assert_nothing_lost(found: dict[str, Any]) -> None:
    assert found["lost"] == 0
    assert set(found["kinds"]) <= HARMLESS
    assert found["after_repair"] == []
    assert found["second_repair"] == 0
    assert found["acknowledged"] > 0


def test_a_kill_at_every_fault_point_loses_nothing(tmp_path: Path, script: Any, figure: Callable[..., None]) -> None:
    found = script("hammer.py", "points", tmp_path, 0)
    assert found["killed"] == 8 * 7
    assert_nothing_lost(found)
    assert set(found["kinds"]) == HARMLESS  # else the kills came too late to leave anything
    figure("A1 fault points of the store", f"56 kills at 8 points, {found['acknowledged']} acknowledged, 0 lost")


@pytest.mark.parametrize("kills", COUNTS)
def test_a_kill_at_any_time_loses_nothing(tmp_path: Path, script: Any, figure: Callable[..., None], kills: int) -> None:
    found = script("hammer.py", "random", tmp_path, kills)
    assert found["killed"] == kills
    assert found["lost_at_once"] == 0
    assert_nothing_lost(found)
    if kills >= 200:  # before the file and before its name are on the disk: the moments that take any time at all
        assert min(found["hits"].get(f"store.{point}", 0) for point in ("written", "renamed")) >= 3, found["hits"]
    figure("A1 SIGKILLs on the store", f"{kills} kills, {found['acknowledged']} acknowledged, 0 lost, 0 unreadable")


@pytest.mark.parametrize("kills", COUNTS)
def test_a_file_rewritten_in_place_does_not_survive_them(
    tmp_path: Path, script: Any, figure: Callable[..., None], kills: int
) -> None:
    """Negative control of the test above."""
    found = script("hammer.py", "control", tmp_path, kills)
    assert found["broken"] >= kills // 2
    figure("A1 control: one file rewritten in place", f"{found['broken']} of {kills} kills broke it")
