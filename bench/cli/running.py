"""A loaded sweep -> its runs started, watched, stopped when asked, measured and counted."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.console import say
from bench.cli.measuring import measure_all
from bench.cli.progress import display, duration
from bench.cli.sweeping import print_json
from bench.executors.inline import inline
from bench.plan import Plan, Rerun, costs_left, plan
from bench.run.place import Keep, Place, pick_device
from bench.spec import BenchError, CostRecord, ExitCode, Failure, RunRecord, Sweep
from bench.store import Store

if TYPE_CHECKING:
    Check = Callable[..., None]


class Wish:
    """Whether somebody asked to stop, and with which exit code: set by signals, read between steps."""

    def __init__(self) -> None:
        self.code: int | None = None

    def __call__(self) -> bool:
        return self.code is not None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Ctrl-C, SIGTERM, SIGUSR1 and a closed terminal ask to save and stop; Ctrl-C twice stops at once."""

        def ask(number: int, _: Any) -> None:
            self.code = ExitCode.CTRL_C if number == signal.SIGINT else ExitCode.INTERRUPTED
            signal.signal(signal.SIGINT, signal.default_int_handler)
            say("bench: saving and stopping (Ctrl-C again stops at once)", sys.stderr)

        before = {n: signal.signal(n, ask) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def alone(store: Store) -> Iterator[Wish]:
    """Keep a second sweep off the same results while this one runs, and listen for who asks it to stop."""
    from filelock import FileLock, Timeout

    store.work.mkdir(parents=True, exist_ok=True)
    lock = FileLock(store.work / "sweep.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        problem = "another sweep is running on these results"
        remedy = "wait for it, or use another --results folder"
        raise BenchError(problem, remedy=remedy, file=store.root, code=ExitCode.STORE) from None
    wish = Wish()
    try:
        with wish.listening():
            yield wish
    finally:
        lock.release()


def run_planned(
    sweep: Sweep,
    store: Store,
    wish: Wish,
    *,
    rerun: Rerun | None,
    whole: Sweep | None,
    check: Check | None,
    device: str,
    data_root: Path | None,
    keep: Keep,
    exit_first: bool,
    as_json: bool,
) -> int:
    """Start what is left of `sweep`, then measure its models; returns the exit code.

    `whole` is the plan to remember, None where overrides make this a trial of another plan.
    """
    before, planned, at = time.monotonic(), plan(sweep, store), pick_device(device)
    runs, costs = planned.to_run(rerun), costs_left(sweep, at, store)
    for problem in planned.unreadable.values():
        say(f"bench: error: {problem}", sys.stderr)
    ended: list[RunRecord | Failure] = []
    measured: list[CostRecord | None] = []
    if runs or costs:  # loads torch, which a finished sweep does without
        if runs and check:
            check(sweep, runs, at, store, data_root)
        place = Place(store=store, sweep=sweep.name, device=at, data_root=data_root, keep=keep, stop=wish)
        if whole and not wish():
            store.save_sweep(whole)
        ended = _train(runs, place, exit_first)
        measured = [] if wish() else list(measure_all(sweep, costs, place))
    elif whole:
        store.save_sweep(whole)
    return _finish(sweep, planned, runs, ended, measured, wish, time.monotonic() - before, as_json, store)


def _train(runs: tuple[Any, ...], place: Place, exit_first: bool) -> list[RunRecord | Failure]:
    if not runs:
        return []
    from bench.run.attempt import attempt

    ended: list[RunRecord | Failure] = []
    with display(len(runs)) as shown:
        for run, event in inline(runs, partial(attempt, place=place), stop=place.stop, stop_at_failure=exit_first):
            shown.event(run, event)
            if isinstance(event, (RunRecord, Failure)):
                ended.append(event)
    return ended


def _finish(
    sweep: Sweep,
    planned: Plan,
    runs: tuple[Any, ...],
    ended: list[RunRecord | Failure],
    measured: list[CostRecord | None],
    wish: Wish,
    took_s: float,
    as_json: bool,
    store: Store,
) -> int:
    """Count what came of it, tell it, and choose the exit code."""
    failed = [e for e in ended if isinstance(e, Failure) and e.state != "interrupted"]
    ran = sum(isinstance(e, RunRecord) for e in ended)
    counts = {
        "ran": ran,
        "reused": sum(run not in runs for run in planned.runs("done")),
        "failed": len(failed),
        "failed_earlier": sum(run not in runs for run in planned.runs("failed")),
        "stale": sum(run not in runs for run in planned.runs("stale")),
        "unreadable": len(planned.unreadable),
        "left": len(runs) - ran - len(failed),
        "costs": sum(record is not None for record in measured),
        "costs_failed": sum(record is None for record in measured),
    }
    if as_json:
        print_json({"sweep": sweep.name, **counts, "records": [e.model_dump(mode="json") for e in ended]})
    else:
        for failure in failed:
            say(f"{failure.state}: {failure.name} ({failure.run_id}): {failure.reason}", sys.stderr)
        say(_summary(counts, duration(took_s)))
        if ran:
            say(f"pictures and weights lie in {store.work}/runs/<id>/; `bench report` writes the tables")
    if wish.code is not None:
        return wish.code
    if planned.unreadable:
        return ExitCode.STORE
    if failed and all(failure.state == "data" for failure in failed):
        return ExitCode.DATA
    return ExitCode.RUNS_FAILED if failed or counts["failed_earlier"] or counts["costs_failed"] else ExitCode.OK


def _summary(counts: dict[str, int], took: str) -> str:
    words = {
        "failed_earlier": "failed earlier (--rerun failed)",
        "stale": "stale (--rerun stale)",
        "unreadable": "unreadable",
        "left": "left (the same command goes on)",
        "costs": "models measured",
        "costs_failed": "models not measured",
    }
    parts = [f"{counts[key]} {key}" for key in ("ran", "reused", "failed")]
    parts += [f"{counts[key]} {word}" for key, word in words.items() if counts[key]]
    started = any(counts[key] for key in ("ran", "failed", "left", "costs", "costs_failed"))
    return ", ".join(parts) + (f" in {took}" if started else "; nothing was run")
