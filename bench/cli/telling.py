"""What came of a sweep -> its last lines, one JSON document, and the exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.cli.console import say
from bench.cli.progress import duration
from bench.cli.sweeping import print_json
from bench.plan import STALE, Plan
from bench.spec import ExitCode, Failure, PlannedRun, RunRecord, Sweep, printable
from bench.store import Store


@dataclass
class Outcome:
    """What has become of the `started` runs: `ended` here, or `elsewhere`, by another sweep meanwhile (by run id)."""

    started: Sequence[PlannedRun]
    ended: dict[str, RunRecord | Failure] = field(default_factory=dict)
    elsewhere: dict[str, RunRecord | Failure] = field(default_factory=dict)
    measured: Sequence[Any] = ()
    took_s: float = 0.0

    @property
    def failed(self) -> list[Failure]:
        both = (*self.ended.values(), *self.elsewhere.values())
        return [e for e in both if isinstance(e, Failure) and e.state != "interrupted"]

    @property
    def interrupted(self) -> bool:
        return any(isinstance(e, Failure) and e.state == "interrupted" for e in self.ended.values())


def tell(sweep: Sweep, planned: Plan, found: Outcome, wish: int | None, as_json: bool, store: Store) -> int:
    """Count what came of it, say it, and choose the exit code; `wish` is that of who asked to stop."""
    counts = _counts(planned, found)
    why = printable(planned.why(*(run.run_id for run in _kept(planned, found))), limit=200)
    if as_json:
        ended = [e.model_dump(mode="json") for e in (*found.ended.values(), *found.elsewhere.values())]
        print_json({"sweep": sweep.name, **counts, "why_stale": why or None, "records": ended})
    else:
        for failure in found.failed:
            say(f"{failure.state}: {failure.name} ({failure.run_id}): {_tried(failure)}{failure.reason}", sys.stderr)
        say(_summary(counts, duration(found.took_s), why))
        if counts["ran"]:
            say(f"pictures and weights lie in {store.work}/runs/<id>/; `bench report` writes the tables")
    if wish is not None:
        return wish
    if found.interrupted:  # by a signal to the run's own process
        return ExitCode.INTERRUPTED
    if planned.unreadable:
        return ExitCode.STORE
    failed = found.failed
    if failed and all(failure.state == "data" for failure in failed):
        return ExitCode.DATA
    return ExitCode.RUNS_FAILED if failed or counts["failed_earlier"] or counts["costs_failed"] else ExitCode.OK


def _tried(failure: Failure) -> str:
    return f"{failure.tries} tries; " if failure.tries > 1 else ""


def _kept(planned: Plan, found: Outcome) -> list[PlannedRun]:
    """The stale runs that were not asked for."""
    started = {run.run_id for run in found.started}
    return [run for run in planned.runs(*STALE) if run.run_id not in started]


def _counts(planned: Plan, found: Outcome) -> dict[str, int]:
    ran = sum(isinstance(e, RunRecord) for e in found.ended.values())
    elsewhere = sum(isinstance(e, RunRecord) for e in found.elsewhere.values())
    failed = len(found.failed)
    return {
        "ran": ran,
        "reused": sum(run not in found.started for run in planned.runs("done")),
        "failed": failed,
        "elsewhere": elsewhere,
        "failed_earlier": sum(run not in found.started for run in planned.runs("failed")),
        "stale": len(_kept(planned, found)),
        "unreadable": len(planned.unreadable),
        "left": len(found.started) - ran - elsewhere - failed,
        "costs": sum(one is not None for one in found.measured),
        "costs_failed": sum(one is None for one in found.measured),
    }


def _summary(counts: dict[str, int], took: str, why: str) -> str:
    words = {
        "elsewhere": "by another sweep",
        "failed_earlier": "failed earlier (--rerun failed)",
        "stale": f"stale ({why + '; ' if why else ''}--rerun stale)",
        "unreadable": "unreadable",
        "left": "left (the same command goes on)",
        "costs": "models measured",
        "costs_failed": "models not measured",
    }
    if counts["costs"] == 1:
        words["costs"] = "model measured"
    if counts["costs_failed"] == 1:
        words["costs_failed"] = "model not measured"
    parts = [f"{counts[key]} {key}" for key in ("ran", "reused", "failed")]
    parts += [f"{counts[key]} {word}" for key, word in words.items() if counts[key]]
    started = any(counts[key] for key in ("ran", "failed", "elsewhere", "left", "costs", "costs_failed"))
    return ", ".join(parts) + (f" in {took}" if started else "; nothing was run")
