"""A sweep and what the store holds -> which of its runs are done, stale, failed or left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.plan.changes import Changed, Changes
from bench.spec import BenchError, ExitCode, Failure, PlannedRun, Sweep
from bench.store import Store, made, parse

State = Literal["done", "stale", "stale-code", "stale-data", "failed", "unreadable", "todo"]
Rerun = Literal["failed", "stale", "all"]

STALE: tuple[State, ...] = ("stale", "stale-code", "stale-data")


@dataclass(frozen=True)
class Plan:
    """Each run of a sweep, in its order, with what has become of it.

    `done`: a record of this machine with today's configuration, reused.  `stale`: a record whose stored configuration
    is another (a default changed without DEFAULTS being raised); `stale-code` and `stale-data`: one that was made with
    other code or other data than today's, where that can be told.  Stale runs are kept; `why` says of each what
    changed.  `failed`: no record, and the last attempt ended badly.  `todo`: neither; a run that was interrupted, or
    whose data was missing or wrong, counts here, because going on with it needs no asking.  `unreadable`: there is a
    record, damaged; it is neither shown nor run again.
    """

    states: tuple[tuple[PlannedRun, State], ...]
    failures: dict[str, Failure]
    unreadable: dict[str, BenchError]
    changed: dict[str, Changed]

    def runs(self, *states: State) -> tuple[PlannedRun, ...]:
        return tuple(run for run, state in self.states if state in states)

    def to_run(self, rerun: Rerun | None = None) -> tuple[PlannedRun, ...]:
        """What a sweep starts: what is left and, only when asked for, what failed, what is stale or everything."""
        asked: dict[str | None, tuple[State, ...]] = {"failed": ("failed",), "stale": STALE}
        asked["all"] = ("failed", *STALE, "done")
        return self.runs("todo", *asked.get(rerun, ()))

    def why(self, *run_ids: str) -> str:
        """`code: loop, loss; data: landcover/urban`: what changed since these runs were made; '' for nothing."""
        found = [self.changed[run_id] for run_id in run_ids if run_id in self.changed]
        words = []
        for kind, each in (("code", [code for code, _ in found]), ("data", [data for _, data in found])):
            if parts := sorted({part for one in each for part in one}):
                words.append(f"{kind}: {', '.join(parts)}")
        return "; ".join(words)


def plan(sweep: Sweep, store: Store) -> Plan:
    """Look up every run of `sweep` among this machine's records and notes."""
    records = made(store, {run.run_id: run.config for run in sweep.runs})
    changes = Changes(store)
    states: list[tuple[PlannedRun, State]] = []
    failures, unreadable, changed = dict[str, Failure](), dict[str, BenchError](), dict[str, Changed]()
    for run in sweep.runs:
        record = records.get(run.run_id)
        state: State = "todo"
        if isinstance(record, BenchError):
            unreadable[run.run_id], state = record, "unreadable"
        elif record is not None:
            found = changes(run.config, record)
            state = _state(record.agrees, found)
            if state != "done":
                changed[run.run_id] = found
        else:
            failure = _failure(store, run.run_id)
            if failure is not None and failure.state not in ("interrupted", "data"):
                failures[run.run_id], state = failure, "failed"
        states.append((run, state))
    changes.close()
    return Plan(tuple(states), failures, unreadable, changed)


def _state(agrees: bool, changed: Changed) -> State:
    code, data = changed
    if not agrees:
        return "stale"
    return "stale-code" if code else "stale-data" if data else "done"


def _failure(store: Store, run_id: str) -> Failure | None:
    path = store.run_folder(run_id) / "failure.json"
    if not path.exists():
        return None
    try:
        return Failure.model_validate(parse(path))
    except ValueError as error:  # pydantic's ValidationError is one
        problem = str(error).partition("\n")[0]
        raise BenchError(problem, remedy="remove the file", file=path, code=ExitCode.STORE) from None
