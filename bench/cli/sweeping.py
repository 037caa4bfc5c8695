"""`bench sweep`: a sweep file -> its runs trained, scored, measured and stored; what is finished is reused."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bench.cli.console import print_table
from bench.spec import BenchError, ExitCode

if TYPE_CHECKING:
    from bench.plan import Plan
    from bench.run.place import Place
    from bench.spec import Failure, PlannedRun, RunRecord, Sweep
    from bench.store import Store

Select = Annotated[
    str | None, typer.Option("-k", metavar="EXPR", help="Only runs whose name matches, e.g. 'pidnet and not ohem'.")
]
Override = Annotated[
    list[str] | None, typer.Option("--set", metavar="A.B=C", help="Override a value of the file; repeatable.")
]
Results = Annotated[Path, typer.Option("--results", metavar="DIR", help="Where records lie.")]
DataRoot = Annotated[
    Path | None,
    typer.Option("--data-root", metavar="DIR", envvar="BENCH_DATA", help="Folder that holds each dataset's folder."),
]


def sweep(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The sweep file (YAML).")],
    select: Select = None,
    override: Override = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Print the plan and check it; run nothing.")] = False,
    no_check: Annotated[bool, typer.Option("--no-check", help="Do not build the components beforehand.")] = False,
    rerun: Annotated[
        Literal["failed", "stale", "all"] | None, typer.Option(help="Run these again; earlier records stay.")
    ] = None,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda[:N]", help="Where to train and to measure.")] = "auto",
    results: Results = Path("results"),
    data_root: DataRoot = None,
    keep: Annotated[
        Literal["chosen", "all", "none"], typer.Option(help="Which weights stay in .bench/runs/<id>/.")
    ] = "chosen",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
    exit_first: Annotated[bool, typer.Option("-x", help="Stop at the first run that fails.")] = False,
) -> int:
    """Train, score and measure everything a sweep file asks for; finished runs are reused."""
    from bench.plan import costs_left, plan
    from bench.run.place import Place, pick_device
    from bench.store import Store
    from bench.sweep import load_sweep

    wanted = load_sweep(file, overrides=override or [], select=select)
    store = Store(results)
    planned = plan(wanted, store)
    runs = planned.to_run(rerun)
    if dry_run and not as_json:
        print_plan(planned, runs)
    if dry_run and no_check:
        return _finish_dry(planned, runs, as_json)
    at = pick_device(device)
    costs = [] if dry_run else costs_left(wanted, at, store)
    place = None
    if dry_run or runs or costs:  # loads torch, which a finished sweep does without
        place = Place(store=store, sweep=wanted.name, device=at, data_root=data_root, keep=keep)
    if place and (dry_run or runs) and not no_check:
        _check(runs or wanted.runs, place)
    if dry_run:
        return _finish_dry(planned, runs, as_json)
    with _alone(store):
        store.save_sweep(wanted if select is None else load_sweep(file, overrides=override or []))
        return _run(wanted, planned, runs, costs, place, exit_first, as_json)


# ------------------------------------------------------------------ before


def _check(runs: tuple[PlannedRun, ...], place: Place) -> None:
    from bench.run.parts import check

    check([run.config for run in runs], place)


def print_plan(planned: Plan, runs: tuple[PlannedRun, ...]) -> None:
    """A row for each run of the sweep and what will become of it."""
    starting = {run.run_id for run in runs}
    rows = []
    for run, state in planned.states:
        length = f"{run.config.epochs} epochs" if run.config.epochs else f"{run.config.steps} steps"
        rows.append((run.name, run.run_id, length, "to run" if run.run_id in starting else _said(state)))
    print_table(("run", "id", "length", "state"), rows)
    print(f"{len(rows)} runs: {len(starting)} to run, {len(rows) - len(starting)} not")


def _said(state: str) -> str:
    return {"failed": "failed earlier (--rerun failed)", "stale": "stale (--rerun stale)"}.get(state, state)


def _finish_dry(planned: Plan, runs: tuple[PlannedRun, ...], as_json: bool) -> int:
    if as_json:
        starting = {run.run_id for run in runs}
        rows = [
            {"run_id": r.run_id, "name": r.name, "state": state, "starts": r.run_id in starting, "config": r.config}
            for r, state in planned.states
        ]
        print_json({"dry_run": True, "runs": rows})
    return ExitCode.OK


def print_json(document: dict[str, Any]) -> None:
    """One JSON document on stdout and nothing else there."""
    plain = lambda value: value.model_dump(mode="json")  # noqa: E731
    print(json.dumps({"schema_number": 1, **document}, default=plain, indent=1))


@contextmanager
def _alone(store: Store) -> Iterator[None]:
    """Keep a second sweep off the same results folder while this one runs."""
    from filelock import FileLock, Timeout

    store.work.mkdir(parents=True, exist_ok=True)
    lock = FileLock(store.work / "sweep.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        problem = "another sweep is running on these results"
        remedy = "wait for it, or use another --results folder"
        raise BenchError(problem, remedy=remedy, file=store.root, code=ExitCode.STORE) from None
    try:
        yield
    finally:
        lock.release()


# ------------------------------------------------------------------ while it runs


class Wish:
    """Whether somebody asked to stop, and with which exit code: set by signals, read between steps."""

    def __init__(self) -> None:
        self.code: int | None = None

    def __call__(self) -> bool:
        return self.code is not None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Ctrl-C once, SIGTERM and SIGUSR1 ask to save and stop; Ctrl-C twice stops at once."""

        def ask(number: int, _: Any) -> None:
            self.code = ExitCode.CTRL_C if number == signal.SIGINT else ExitCode.INTERRUPTED
            signal.signal(signal.SIGINT, signal.default_int_handler)
            print("bench: saving and stopping (Ctrl-C again stops at once)", file=sys.stderr, flush=True)

        before = {n: signal.signal(n, ask) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _run(
    sweep: Sweep,
    planned: Plan,
    runs: tuple[PlannedRun, ...],
    costs: list[Any],
    place: Place | None,
    exit_first: bool,
    as_json: bool,
) -> int:
    import dataclasses

    from bench.cli.progress import display, duration
    from bench.executors.inline import inline
    from bench.spec import Failure, RunRecord

    wish, before, measured = Wish(), time.monotonic(), 0
    ended: list[RunRecord | Failure] = []
    if place:
        with wish.listening():
            place = dataclasses.replace(place, stop=wish)
            if runs:
                from bench.run.attempt import attempt

                with display(len(runs)) as shown:
                    for run, event in inline(runs, partial(attempt, place=place), stop_at_failure=exit_first):
                        shown.event(run, event)
                        if isinstance(event, (RunRecord, Failure)):
                            ended.append(event)
            measured = _measure(sweep, costs, place, wish) if costs and not wish() else 0
    failed = [e for e in ended if isinstance(e, Failure) and e.state != "interrupted"]
    ran = sum(isinstance(e, RunRecord) for e in ended)
    earlier = len([r for r in planned.runs("failed") if r not in runs])
    reused = len(planned.states) - len(runs) - earlier
    counts = {"ran": ran, "reused": reused, "failed": len(failed), "failed_earlier": earlier, "costs": measured}
    if as_json:
        print_json({"sweep": sweep.name, **counts, "records": [e.model_dump(mode="json") for e in ended]})
    else:
        _summarise(counts, len(runs) - ran - len(failed), failed, duration(time.monotonic() - before))
    if wish.code is not None:
        return wish.code
    return ExitCode.RUNS_FAILED if failed or earlier else ExitCode.OK


def _measure(sweep: Sweep, costs: list[Any], place: Place, wish: Wish) -> int:
    """Measure what each model costs, one after the other, while nothing trains."""
    from bench.run.costs import measure

    done = 0
    height, width = sweep.cost.size if sweep.cost else (0, 0)
    print(f"counting and timing {len(costs)} models at {width}x{height}", file=sys.stderr, flush=True)
    for record in measure(sweep, costs, place):
        done += 1
        timing = record.latency_refused or "latency not asked for"
        if record.latency:
            from bench.cost.statistics import describe

            found = describe(record.latency)
            if found:
                timing = f"{found.mean:.2f} ± {'n/a' if found.std is None else f'{found.std:.2f}'} ms (n = {found.n})"
        print(
            f"[{done}/{len(costs)}] cost of {record.model.name} at {width}x{height} on {record.device}: "
            f"{record.params_deployed:,} parameters, {record.macs / 1e9:.3f} GMAC, {timing}",
            file=sys.stderr,
            flush=True,
        )
        if wish():
            break
    return done


def _summarise(counts: dict[str, int], left: int, failed: list[Failure], took: str) -> None:
    parts = [f"{counts['ran']} ran", f"{counts['reused']} reused", f"{counts['failed']} failed"]
    if counts["failed_earlier"]:
        parts.append(f"{counts['failed_earlier']} failed earlier (--rerun failed)")
    if left:
        parts.append(f"{left} left (the same command goes on)")
    if counts["costs"]:
        parts.append(f"{counts['costs']} models measured")
    for failure in failed:
        print(f"{failure.state}: {failure.name} ({failure.run_id}): {failure.reason}", file=sys.stderr)
    nothing = not (counts["ran"] or counts["failed"] or counts["costs"] or left)
    print(", ".join(parts) + ("; nothing was run" if nothing else f" in {took}"))
    if counts["ran"]:
        print("pictures and weights lie in .bench/runs/<id>/; `bench report` writes the tables")
