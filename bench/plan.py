"""A sweep and what the store holds -> which runs are done, stale, failed or left, and which models to measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench import machine, names
from bench.spec import BenchError, Component, ExitCode, Failure, PlannedRun, Sweep
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


def costs_left(sweep: Sweep, device: str, store: Store) -> list[tuple[Component, int]]:
    """(model, number of classes) of `sweep` that this machine has not measured with this torch and at this size."""
    if sweep.cost is None:
        return []
    label, torch_version = machine.device_label(device), machine.version("torch")
    known = {
        (_costed(record.model, record.num_classes), record.input_shape)
        for record in (stored.record for stored in store.costs())
        if record.device == label
        and record.software.get("torch") == torch_version
        and (record.latency or record.latency_refused or not sweep.cost.latency)
    }
    wanted = {_costed(run.config.model, classes): (run.config.model, classes) for run, classes in _with_classes(sweep)}
    return [model for key, model in wanted.items() if (key, (1, 3, *sweep.cost.size)) not in known]


def _with_classes(sweep: Sweep) -> list[tuple[PlannedRun, int]]:
    datasets = {repr(run.config.dataset): run.config.dataset for run in sweep.runs}
    classes = {key: names.dataset_info(dataset).num_classes for key, dataset in datasets.items()}
    return [(run, classes[repr(run.config.dataset)]) for run in sweep.runs]


def _costed(model: Component, classes: int) -> str:
    """What a cost depends on: weights do not change it, so where they come from is left out."""
    options = {k: v for k, v in model.options.items() if k != "pretrained"}
    return f"{model.name} {sorted(options.items())} {classes}"
