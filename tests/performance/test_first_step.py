"""Whole processes until their first optimizer step is done: bench's loop beside other frameworks', in turns.

What is printed is looked at and not asserted; it is the processor time that neighbours on the machine move least.
Seen on 2026-11-20 on two shared cores (load 6: the wall clock says little), torch 2.15, two to four pairs, processor
time: bare loop 1.01 x bench's 6.2 s, Accelerate 1.01 x, Lightning with all off 1.30 x; nearly all of it is importing
torch.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.performance

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).parent / "peers" / "first_step.py"
PEERS = ROOT / ".venv-peers" / "bin" / "python"
PAIRS = int(os.environ.get("BENCH_PAIRS", "7"))


def first_step(name: str) -> dict[str, float]:
    """Seconds until the first step of a fresh process: by the wall clock, and of processor time."""
    python = sys.executable if name in ("bench", "bare") else str(PEERS)
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [python, str(SCRIPT), name, repr(time.monotonic())]
    done = subprocess.run(command, capture_output=True, text=True, env=surroundings, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", ["bare", "accelerate", "lightning_off", "lightning_usual"])
def test_time_to_the_first_step(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    if name != "bare" and not PEERS.exists():
        pytest.skip("no .venv-peers; run `make peers`")
    first_step(name), first_step("bench")  # what lies on disk is in memory from here on
    pairs = [(first_step(name), first_step("bench")) for _ in range(PAIRS)]
    told = []
    for key in ("wall_s", "cpu_s"):
        theirs, ours = (statistics.median(one[key] for one in side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(a[key] / b[key] for a, b in pairs)
        told.append(f"{key.removesuffix('_s')} {theirs:.2f} s to bench's {ours:.2f} s, {ratio:.2f} x")
    with capsys.disabled():
        print(f"\nfirst step, {name}: {'; '.join(told)}; load {os.getloadavg()[0]:.1f}", end="")
