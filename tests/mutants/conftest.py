"""The campaign begins with the session and goes on beside the other tests; the test that asks for it comes last.

Most tests of the card keep one core busy, so that on two cores the mutants cost it next to no time.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CAMPAIGN = Path(__file__).parent / "campaign.py"
TEST = "test_mutants_are_killed"
COUNT, SEED = int(os.environ.get("BENCH_MUTANTS") or 300), int(os.environ.get("BENCH_MUTANT_SEED") or 0)
WORKERS = int(os.environ.get("BENCH_MUTANT_WORKERS") or max(1, (os.cpu_count() or 1) - 1))
RUNNING = pytest.StashKey[list["subprocess.Popen[str]"]]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.name == TEST)


def pytest_collection_finish(session: pytest.Session) -> None:
    if any(item.name == TEST for item in session.items) and not session.config.option.collectonly:
        session.config.stash[RUNNING] = [_begin(part) for part in range(WORKERS)]


def _begin(part: int) -> subprocess.Popen[str]:
    words = map(str, (COUNT, SEED, part, WORKERS))
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, str(CAMPAIGN), *words], env=surroundings, stdout=subprocess.PIPE, text=True
    )


@pytest.fixture
def campaign(request: pytest.FixtureRequest) -> list[str]:
    """What each process of the campaign has printed, once all are through."""
    running = request.config.stash[RUNNING]
    told = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * len(running)
    return told


def pytest_unconfigure(config: pytest.Config) -> None:
    for process in config.stash.get(RUNNING, []):
        process.kill()
