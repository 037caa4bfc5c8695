"""Mutants of what decides records and reports: a change of one operator is noticed by the tests of its module.

BENCH_MUTANTS says how many are drawn (300), BENCH_MUTANT_SEED which ones (0), BENCH_MUTANT_WORKERS how many at once.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from campaign import ROOT, TESTS, files, noticed_by, outcome, sample
from mutator import KINDS, mutants, mutated

HERE = Path(__file__).parent
Z = 1.959964
LISTED = re.compile(r"^- `(.+)`: (.+)$", re.MULTILINE)
"""A survivor in survivors.md: its key and the reason why it may live."""


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    share, square = hits / n, Z * Z
    middle, half = share + square / (2 * n), Z * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    return (middle - half) / (1 + square / n), (middle + half) / (1 + square / n)


def excused() -> dict[str, str]:
    """Survivors that somebody has looked at, and why they live."""
    text = (HERE / "survivors.md").read_text(encoding="utf-8")
    return {key.replace("``", "`"): reason for key, reason in LISTED.findall(text)}


def spelled(key: str) -> str:
    """The key as a line of survivors.md holds it."""
    return key.replace("`", "``")


@pytest.mark.card
@pytest.mark.timeout(3 * 3600)
def test_mutants_are_killed(campaign: list[str], figure: Callable[[str, str], None]) -> None:
    found: list[dict[str, Any]] = [json.loads(line) for text in campaign for line in text.splitlines()]
    survivors = sorted(one["key"] for one in found if one["state"] == "passed")
    killed = len(found) - len(survivors)
    low, high = wilson(killed, len(found))
    unlisted = [key for key in survivors if key not in excused()]
    for key in unlisted:
        print(f"- `{spelled(key)}`: ?")
    figure(
        "Mutants killed",
        f"{killed} of {len(found)} ({100 * killed / len(found):.1f} %, 95 % interval {100 * low:.1f} to "
        f"{100 * high:.1f}), {len(survivors) - len(unlisted)} survivors with a reason, {len(unlisted)} without",
    )
    assert killed >= 0.95 * len(found), unlisted


# ------------------------------------------------------------------ the mutator


SOURCE = '''"""Docstring."""
import os

LIMIT: int = 3


def f(a: "int", b: int = 1) -> "str":
    """Docstring."""
    if a < b and not a == 0:
        os.getpid()
        raise ValueError("a text for people")
    return f"x{a + b}" if a else None
'''


def test_each_mutant_changes_one_thing_that_matters() -> None:
    found = mutants("f.py", SOURCE)
    told = [(one.kind, one.line, one.what.partition(" in `")[0]) for one in found]
    assert told == [
        ("constant", 4, "3 -> 4"),
        ("constant", 7, "1 -> 2"),
        ("boolean", 9, "condition negated"),
        ("boolean", 9, "And -> Or"),
        ("comparison", 9, "Lt -> LtE"),
        ("comparison", 9, "Eq -> NotEq"),
        ("constant", 9, "0 -> 1"),
        ("call", 10, "call removed"),
        ("return", 12, "returns None"),
        ("boolean", 12, "condition negated"),
        ("arithmetic", 12, "Add -> Sub"),
    ]
    assert {one.kind for one in found} == set(KINDS)
    plain = ast.unparse(ast.parse(SOURCE))
    sources = [mutated(SOURCE, one.number) for one in found]
    assert len({plain, *sources}) == len(found) + 1
    for text in sources:
        ast.parse(text)
        assert sum(a != b for a, b in zip(plain.splitlines(), text.splitlines(), strict=True)) == 1
        assert "a text for people" in text


def test_the_sample_is_the_same_each_time_and_of_all_modules() -> None:
    first = sample(ROOT, 300, 0)
    assert [one.key for one in first] == [one.key for one in sample(ROOT, 300, 0)]
    assert [one.key for one in first] != [one.key for one in sample(ROOT, 300, 1)]
    assert {one.kind for one in first} == set(KINDS)
    assert {name for name in TESTS if any(one.file.startswith(name) for one in first)} >= {"bench/sweep", "bench/store"}


def test_every_module_has_tests_that_are_there() -> None:
    for file in files(ROOT):
        assert all((ROOT / test).is_file() for test in noticed_by(file))


def test_a_test_that_fails_kills_and_one_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the whole: what passes survives."""
    monkeypatch.chdir(tmp_path)
    states = {"passed": "pass", "killed": "assert False", "timeout": "import time; time.sleep(60)"}
    for name, body in states.items():
        (tmp_path / f"test_{name}.py").write_text(f"def test_it():\n    {body}\n")
        assert outcome([f"test_{name}.py"], 60 if name != "timeout" else 2)[0] == name


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"), [(9, 10, 0.5958, 0.9821), (300, 300, 0.9874, 1.0), (285, 300, 0.9191, 0.9694)]
)
def test_the_interval_is_the_published_one(hits: int, n: int, low: float, high: float) -> None:
    assert wilson(hits, n) == pytest.approx((low, high), abs=1e-3)


def test_survivors_are_read_as_they_are_written() -> None:
    assert LISTED.findall(f"- `{spelled('a.py f: x in `y`')}`: because\n") == [("a.py f: x in ``y``", "because")]
    assert all(reason.strip("?. ") for reason in excused().values())
