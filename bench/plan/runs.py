"""A sweep and what the store holds -> which of its runs are done, stale, failed or left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.spec import BenchError, ExitCode, Failure, PlannedRun, Sweep
from bench.store import Store, parse

State = Literal["done", "stale", "failed", "unreadable", "todo"]
Rerun = Literal["failed", "stale", "all"]


@dataclass(frozen=True)
class Plan:
    """Each run of a sweep, in its order, with what has become of it.

    `done`: a record of this machine with today's configuration, reused.  `stale`: a record whose stored configuration
    is another (a default changed without DEFAULTS being raised).  `failed`: no record, and the last attempt ended
    badly.  `todo`: neither; a run that was interrupted, or whose data was missing or wrong, counts here, because going
    on with it needs no asking.  `unreadable`: there is a record, damaged; it is neither shown nor run again.
    """

    states: tuple[tuple[PlannedRun, State], ...]
    failures: dict[str, Failure]
    unreadable: dict[str, BenchError]

    def runs(self, *states: State) -> tuple[PlannedRun, ...]:
        return tuple(run for run, state in self.states if state in states)

    def to_run(self, rerun: Rerun | None = None) -> tuple[PlannedRun, ...]:
        """What a sweep starts: what is left and, only when asked for, what failed, what is stale or everything."""
        if rerun == "all":
            return self.runs("todo", "failed", "stale", "done")
        return self.runs("todo", *(() if rerun is None else (rerun,)))


def plan(sweep: Sweep, store: Store) -> Plan:
    """Look up every run of `sweep` among this machine's records and notes."""
    finished = store.agreement({run.run_id: run.config for run in sweep.runs})
    failures: dict[str, Failure] = {}
    unreadable = {run_id: found for run_id, found in finished.items() if isinstance(found, BenchError)}
    states: list[tuple[PlannedRun, State]] = []
    for run in sweep.runs:
        if run.run_id in unreadable:
            states.append((run, "unreadable"))
            continue
        if run.run_id in finished:
            states.append((run, "done" if finished[run.run_id] else "stale"))
            continue
        failure = _failure(store, run.run_id)
        if failure is not None and failure.state not in ("interrupted", "data"):
            failures[run.run_id] = failure
            states.append((run, "failed"))
        else:
            states.append((run, "todo"))
    return Plan(tuple(states), failures, unreadable)


def _failure(store: Store, run_id: str) -> Failure | None:
    path = store.run_folder(run_id) / "failure.json"
    if not path.exists():
        return None
    try:
        return Failure.model_validate(parse(path))
    except ValueError as error:  # pydantic's ValidationError is one
        problem = str(error).partition("\n")[0]
        raise BenchError(problem, remedy="remove the file", file=path, code=ExitCode.STORE) from None
