"""A3: a result reported as saved survives a loss of power, whenever it comes and whatever the disk had put off."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from power import TRACE, Op, operations, replay

HERE = Path(__file__).resolve()
RUNS = 3


@pytest.fixture
def recorded(tmp_path: Path, strace: str) -> Callable[..., list[Op]]:
    """recorded(folders there already) -> what the program did to store three runs and a failure."""

    def record(*folders: str) -> list[Op]:
        place, trace = tmp_path / "project", tmp_path / "trace"
        place.mkdir()
        for folder in folders:
            (place / folder).mkdir()
        words = [strace, "-f", "-qq", "-y", "-s", "40", "-o", str(trace), "-e", f"trace={','.join(TRACE)}"]
        program = [sys.executable, str(HERE.with_name("calls.py")), "once", str(place)]
        environment = {"STORE_RUNS": str(RUNS), "PYTHONPATH": str(HERE.parents[2]), "BENCH_TESTING": "1"}
        done = subprocess.run([*words, *program], env={**os.environ, **environment}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        # Whoever made them was killed before they were on the disk.
        made = [Op("mkdir", str(place / folder)) for folder in folders]
        return made + [op for op in operations(trace, place, place / "acks") if "/claims/" not in op.path]

    return record


def wanted(tmp_path: Path) -> Callable[[str], list[str]]:
    stem = str(tmp_path / "project" / "results" / "runs" / "r-")
    return lambda ack: [f"{stem}{int(ack):016x}{end}" for end in (".json", ".images.npz")]


FOLDERS = ("results", "results/runs", ".bench", ".bench/runs")


@pytest.mark.parametrize("folders", [(), FOLDERS], ids=["new", "folders of a killed process"])
def test_a_loss_of_power_loses_nothing(
    tmp_path: Path, recorded: Callable[..., list[Op]], figure: Callable[..., None], folders: tuple[str, ...]
) -> None:
    ops = recorded(*folders)
    kinds = {kind: sum(op.kind == kind for op in ops) for kind in ("create", "sync", "link", "rename", "ack")}
    assert (kinds["create"], kinds["link"], kinds["rename"], kinds["ack"]) == (2 * RUNS + 1, RUNS, RUNS + 1, RUNS)
    states, bad = replay(ops, wanted(tmp_path))
    assert bad == 0
    assert states > 100
    figure("A3 states after a loss of power", f"{states} states of {len(ops)} operations, 0 lost")


def without_files(op: Op) -> bool:
    return op.kind == "sync" and op.path.endswith(".tmp")


def without_folders(op: Op) -> bool:
    return op.kind == "sync" and not op.path.endswith(".tmp")


def without_parents(op: Op) -> bool:
    return op.kind == "sync" and not op.path.endswith((".tmp", "/runs", "/r-0000000000000000"))


@pytest.mark.parametrize("left_out", [without_files, without_folders, without_parents])
def test_a_sync_left_out_is_caught(
    tmp_path: Path, recorded: Callable[..., list[Op]], figure: Callable[..., None], left_out: Callable[[Op], bool]
) -> None:
    """Negative controls: the same program without fsync of its files, of any folder, of the folders it made."""
    states, bad = replay([op for op in recorded() if not left_out(op)], wanted(tmp_path))
    assert bad > 0
    figure(f"A3 control: {left_out.__name__.replace('_', ' ')}", f"{bad} of {states} states lost something")
