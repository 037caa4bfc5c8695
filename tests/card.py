"""`pytest -m card`: the tests that `promises.py` names run, and what they found becomes a record and a table.

A plugin.  The record goes to results/card.json, or to the file that BENCH_CARD names; a copy of it at
results/reference/card.json is what `bench report` shows in README.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from promises import CLAIMS, PROMISES, Promise

ROOT = Path(__file__).resolve().parents[1]
FIGURE, LONGEST = "figure", 3


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """figure("A1 kills of the store", "20 kills, 0 lost"): a figure for the card, told once it has been asserted.

    One whose name holds the word `control` is that of a variant that is wrong on purpose.
    """

    def tell(name: str, text: str) -> None:
        print(f"{name}: {text}")
        request.node.user_properties.append((FIGURE, (name, text)))

    return tell


# ------------------------------------------------------------------ what came of the tests


@dataclass
class Result:
    """What came of one test."""

    test: str
    outcome: str = "not run"
    seconds: float = 0.0
    figures: list[tuple[str, str]] = field(default_factory=list)

    def learn(self, report: Any) -> None:
        """Take in the report of a phase of the test."""
        self.seconds += report.duration
        if report.when == "call" or report.outcome != "passed":
            self.outcome = report.outcome if self.outcome != "failed" else "failed"
        if report.when == "teardown":
            self.figures = [told for kind, told in report.user_properties if kind == FIGURE]


def belongs(test: str, name: str) -> bool:
    """Whether the node id `tests/a.py::f[1]` is of `a.py::f`, or of `a.py`."""
    return test.removeprefix("tests/").partition("[")[0] in (name, f"{name}::{test.partition('[')[0].split('::')[-1]}")


def row(promise: Promise, results: Iterable[Result]) -> dict[str, Any]:
    """The card's row of a promise, as plain values."""
    per_name = {name: [r for r in results if belongs(r.test, name)] for name in promise.tests}
    found = list({r.test: r for several in per_name.values() for r in several}.values())
    ran = [r for r in found if r.outcome in ("passed", "failed")]
    if any(r.outcome == "failed" for r in ran):
        state = "broken"
    elif not ran:
        state = "not measured"
    else:
        state = "kept" if len(ran) == len(found) and all(per_name.values()) else "partly measured"
    figures = [told for r in ran for told in r.figures if r.outcome == "passed"]
    why = promise.why if promise.why or ran or not found else "skipped"
    return {
        "claim": promise.claim,
        "state": state,
        "figure": merged(text for name, text in figures if "control" not in name),
        "control": merged(text for name, text in figures if "control" in name),
        "reference": promise.reference,
        "why": why,
        "tests": promise.tests,
        "ran": len(ran),
        "of": len(found),
        "seconds": round(sum(r.seconds for r in ran), 1),
    }


def merged(texts: Iterable[str]) -> str:
    """Figures in one: those that differ in numbers alone are added up where they differ or are 1 each, and counted."""
    alike: dict[tuple[str, ...], list[list[str]]] = {}
    for text in texts:
        words = re.split(r"(\d+)", text)
        alike.setdefault(tuple(words[::2]), []).append(words[1::2])
    told = []
    for between, several in alike.items():
        columns = zip(*several, strict=True)
        sums = [c[0] if len({*c}) == 1 and c[0] != "1" else str(sum(map(int, c))) for c in columns]
        text = "".join(word + number for word, number in zip(between, [*sums, ""], strict=True))
        told.append(text + (f" ({len(several)} tests)" if len(several) > 1 else ""))
    more = f"; and {len(told) - LONGEST} more" if len(told) > LONGEST else ""
    return "; ".join(told[:LONGEST]) + more


# ------------------------------------------------------------------ hooks

RESULTS = pytest.StashKey[dict[str, Result]]()
START = pytest.StashKey[float]()


def asked(config: pytest.Config) -> bool:
    return bool(config.getoption("markexpr") == "card")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not asked(config):
        return
    config.stash[START] = time.monotonic()
    results = config.stash.setdefault(RESULTS, {})
    names = {test for promise in (*PROMISES, *CLAIMS) for test in promise.tests}
    for item in items:
        if item.get_closest_marker("card") or any(belongs(item.nodeid, name) for name in names):
            results[item.nodeid] = Result(item.nodeid)
            item.add_marker("card")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    config = _config[0] if _config else None
    if config and report.nodeid in config.stash.get(RESULTS, {}):
        config.stash[RESULTS][report.nodeid].learn(report)


_config: list[pytest.Config] = []
"""The report hook is not given the configuration."""


def pytest_configure(config: pytest.Config) -> None:
    if asked(config):
        _config[:] = [config]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    results = config.stash.get(RESULTS, {})
    if not any(r.outcome != "not run" for r in results.values()):
        return
    from bench.report.card import markdown
    from bench.store import dump

    card = made(results.values(), time.monotonic() - config.stash[START])
    file = Path(os.environ.get("BENCH_CARD") or ROOT / "results" / "card.json")
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(dump(card))
    terminalreporter.section("reliability card")
    terminalreporter.write_line(markdown(card))
    terminalreporter.write_line(f"written to {file.name}; as results/reference/card.json it stands in README")


def made(results: Iterable[Result], seconds: float) -> Any:
    """The card of these results, on this machine, now."""
    from bench import machine
    from bench.report.card import Card

    every = list(results)
    commit, dirty = machine.commit()
    return Card.model_validate(
        {
            "machine": machine.describe("cpu")["cpu"]["name"] or "a CPU",
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "commit": commit,
            "dirty": dirty,
            "measured_utc": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "seconds": round(seconds, 1),
            "claims": [row(promise, every) for promise in CLAIMS],
            "promises": [(promise.id, row(promise, every)) for promise in PROMISES],
        }
    )
