"""A4: a full disk loses no saved record, says so with the path, and the work goes on when there is room again.

Here a small disk, and reports into a device that is always full; the other two mechanisms, a quota (`ulimit -f`) and
errors of single calls, stand in `test_store_calls.py` and `test_store_syscalls.py`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.report.readme import BEGIN, END

ROOT = Path(__file__).resolve().parents[2]
FIXTURE = ROOT / "tests" / "fixtures" / "records" / "v1"
FULL = Path("/dev/full")
SIZES = range(8, 136, 4)


@pytest.mark.parametrize("sizes", [(40, 72, 100), pytest.param(tuple(SIZES), marks=pytest.mark.fault)], ids=len)
def test_a_disk_that_fills_up_loses_nothing(
    tmp_path: Path, script: Any, unshare: tuple[str, ...], figure: Callable[..., None], sizes: tuple[int, ...]
) -> None:
    found = script("small_disk.py", tmp_path, *sizes, before=unshare)
    for one in found:
        assert one["codes"] == [5, 0], one
        assert (one["lost"], one["wrong"], one["missing"]) == (0, [], []), one
    assert max(one["stored"] for one in found) > 3
    figure("A4 small disks (tmpfs)", f"{len(found)} sizes, 0 lost, exit 5, all runs stored once there is room")


@pytest.mark.skipif(not FULL.exists(), reason="NOT RUN: this system has no /dev/full")
@pytest.mark.parametrize(
    "words",
    [("report", "--format", "csv"), ("report", "--format", "html"), ("store", "check"), ("store", "check", "--json")],
    ids=" ".join,
)
def test_output_onto_a_full_device_is_one_line_and_exit_5(
    tmp_path: Path, words: tuple[str, ...], figure: Callable[..., None]
) -> None:
    shutil.copytree(FIXTURE, tmp_path / "results")
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "bench", *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 5, done.stderr
    assert done.stderr == "bench: error: cannot write the output: no space left on the device\n"
    figure(f"A4 {' '.join(words)} > /dev/full", "one line, exit 5")


def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, unshare: tuple[str, ...]) -> None:
    shutil.copytree(FIXTURE, tmp_path / "results")
    (tmp_path / "disk").mkdir()
    marks = f"{BEGIN}\n{END}\n"
    program = (
        "import subprocess, sys, pathlib\n"
        "subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=8k', 'tmpfs', 'disk'], check=True)\n"
        "readme = pathlib.Path('disk/README.md')\n"
        f"readme.write_text({marks!r})\n"
        "done = subprocess.run([sys.executable, '-m', 'bench', 'report', '--readme', str(readme)])\n"
        f"print(done.returncode, readme.read_text() == {marks!r}, len(list(readme.parent.iterdir())))\n"
    )
    done = subprocess.run(
        [*unshare, sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["5", "True", "1"], done.stderr
    assert "No space left" in done.stderr
    assert done.stderr.count("\n") == 1
