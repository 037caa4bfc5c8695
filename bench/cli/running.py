"""A loaded sweep -> its runs started, watched, stopped when asked, and its models measured."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.cli.console import say
from bench.cli.measuring import measure_all
from bench.cli.progress import Lines, display
from bench.cli.stopping import Wish, alone, undisturbed
from bench.cli.telling import Outcome, tell
from bench.executors.process import Nursery
from bench.plan import Rerun, costs_left, plan
from bench.run.apart import WORK, loads
from bench.run.events import Taken
from bench.run.place import Keep, Place, pick_device
from bench.run.standing import Standing, outcome, standing, standings
from bench.run.tracking import Tracking
from bench.spec import Component, Failure, PlannedRun, RunRecord, Sweep, counted
from bench.store import Store, is_claimed

__all__ = ["How", "Wish", "alone", "run_planned"]

Check = Callable[..., None]

LOOK_S = 0.5
"""How often a run that another sweep has is looked at."""


@dataclass(frozen=True, kw_only=True)
class How:
    """What the words of a `bench sweep` command say beside the sweep itself."""

    rerun: Rerun | None
    device: str
    data_root: Path | None
    keep: Keep
    executor: str
    step_timeout_s: float
    retries: int
    checkpoint_s: float
    exit_first: bool
    as_json: bool
    trackers: Sequence[Component] = ()


def run_planned(sweep: Sweep, store: Store, how: How, *, whole: Sweep | None, check: Check | None) -> int:
    """Start what is left of `sweep`, then measure its models; returns the exit code.

    `whole` is the plan to remember, None where overrides make this a trial of another plan.
    """
    wish, before = Wish(), time.monotonic()
    with wish.listening(), ExitStack() as opened:
        seen = standings(store, (run.run_id for run in sweep.runs))  # before planning: what comes later is news
        planned, at = plan(sweep, store), pick_device(how.device)
        runs, costs = planned.to_run(how.rerun), costs_left(sweep, at, store)
        found = Outcome(runs)
        for problem in planned.unreadable.values():
            say(f"bench: error: {problem}", sys.stderr)
        tracking = Tracking(how.trackers if runs else (), store, sweep.name)
        nursery = None
        if runs and how.executor == "process":
            nursery = opened.enter_context(Nursery(WORK, *loads(run.config for run in runs)))
            nursery.start()  # it loads torch while this process checks
        if runs and check:
            check(sweep, runs, at, store, how.data_root)
        if whole and not wish():
            store.save_sweep(whole)
        if runs or costs:  # loads torch, which a finished sweep does without
            place = Place(
                store=store,
                sweep=sweep.name,
                device=at,
                data_root=how.data_root,
                keep=how.keep,
                checkpoint_s=how.checkpoint_s,
                stop=wish,
                seen={run.run_id: seen[run.run_id] for run in runs},
            )
            with tracking:  # all is told before anything is timed
                _train(found, place, how, nursery, tracking)
            if not wish() and costs and opened.enter_context(undisturbed(store)):
                found.measured = list(measure_all(sweep, costs, place))
        found.took_s = time.monotonic() - before
        return tell(sweep, planned, found, wish.code, how.as_json, store)


def _train(found: Outcome, place: Place, how: How, nursery: Nursery | None, tracking: Tracking) -> None:
    """Run all that nobody else has; then see what came of the rest, and run what was left undone there."""
    left = list(found.started)
    while left and not place.stop():
        taken = []
        with display(len(left)) as shown, closing(_started(left, place, how, nursery)) as events:
            for run, event in events:
                if isinstance(event, Taken):
                    taken.append(run)
                shown.event(run, event)
                tracking.event(run, event)
                if isinstance(event, (RunRecord, Failure)):
                    found.ended[run.run_id] = event
            undone = {} if _broken_off(found, how) else dict(_undone(taken, found, place, shown))
        left, place = [run for run in left if run.run_id in undone], replace(place, seen=undone)


def _started(
    runs: Sequence[PlannedRun], place: Place, how: How, nursery: Nursery | None
) -> Generator[tuple[PlannedRun, Any], None, None]:
    """The events of `runs`, wherever they happen."""
    if nursery is not None:
        from bench.executors.process import process
        from bench.run.apart import Home

        return process(
            runs,
            nursery,
            Home(place),
            stop=place.stop,
            stop_at_failure=how.exit_first,
            retries=how.retries,
            step_timeout_s=how.step_timeout_s,
        )
    from bench.executors.inline import inline
    from bench.run.attempt import attempt

    return inline(
        runs,
        lambda run, number: attempt(run, place, number),
        stop=place.stop,
        stop_at_failure=how.exit_first,
        retries=how.retries,
    )


def _broken_off(found: Outcome, how: How) -> bool:
    return found.interrupted or bool(how.exit_first and found.failed)


def _undone(
    taken: list[PlannedRun], found: Outcome, place: Place, shown: Lines
) -> Generator[tuple[str, Standing], None, None]:
    """Wait until nobody has the `taken` runs any more; those that came to an end are told of.

    The others are given: their ids, and how each stood before it was looked at.
    """
    waiting = [run for run in taken if is_claimed(place.store.work, run.run_id)]
    if waiting:
        shown.say(f"waiting for {counted(len(waiting), 'run')} of another sweep; Ctrl-C leaves them to it")
    for run in taken:
        while is_claimed(place.store.work, run.run_id) and not place.stop():
            time.sleep(LOOK_S)
        if place.stop():
            return
        now = standing(place.store, run.run_id)
        came = outcome(place.store, run.run_id)
        unchanged = now == place.seen[run.run_id]
        if came is None or unchanged or (isinstance(came, Failure) and came.state in ("interrupted", "data")):
            yield run.run_id, now
        else:
            found.elsewhere[run.run_id] = came
            shown.event(run, came)
