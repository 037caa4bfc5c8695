"""`bench sweep`: a sweep file -> its runs trained, scored, measured and stored; what is finished is reused."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bench.cli.console import print_table
from bench.cli.plugins import Plugin
from bench.cli.probing import plain, print_probes, probed
from bench.spec import BenchError, ExitCode, counted

if TYPE_CHECKING:
    from bench.plan import Plan
    from bench.spec import Component, PlannedRun, Sweep
    from bench.store import Store

Select = Annotated[
    str | None, typer.Option("-k", metavar="EXPR", help="Only runs whose name matches, e.g. 'pidnet and not ohem'.")
]
Override = Annotated[
    list[str] | None, typer.Option("--set", metavar="A.B=C", help="Override a value of the file; repeatable.")
]
Results = Annotated[Path, typer.Option("--results", metavar="DIR", help="Where records lie.")]


def _data_folder(given: Path | None) -> Path | None:
    """The folder given, or BENCH_DATA (read here: typer 0.26.0 forgets an option's variable)."""
    named = os.environ.get("BENCH_DATA")
    return given or (Path(named) if named else None)


DataRoot = Annotated[
    Path | None,
    typer.Option(
        "--data-root",
        metavar="DIR",
        callback=_data_folder,
        help="Folder that holds each dataset's folder; BENCH_DATA by default.",
    ),
]


def _executor(given: str) -> str:
    """The executor given, or BENCH_EXECUTOR, or a process for each run."""
    found = given or os.environ.get("BENCH_EXECUTOR") or "process"
    if found not in ("process", "inline"):
        key = "--executor" if given else "BENCH_EXECUTOR"
        raise BenchError(f"unknown executor '{found}'", remedy="choose process or inline", key=key)
    return found


Executor = Annotated[
    str,
    typer.Option(
        "--executor",
        metavar="process|inline",
        callback=_executor,
        help="Each run in a process of its own, or all in this one; BENCH_EXECUTOR by default.",
    ),
]


Trackers = Annotated[
    list[str] | None,
    typer.Option("--tracker", metavar="NAME", help="Tell it of each run: tensorboard, wandb; repeatable; or none."),
]


def sweep(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The sweep file (YAML).")],
    select: Select = None,
    override: Override = None,
    plugin: Plugin = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Print the plan and check it; run nothing.")] = False,
    probe: Annotated[
        bool, typer.Option("--probe", help="With --dry-run: time a few steps of each cell; say hours and memory.")
    ] = False,
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
    executor: Executor = "",
    retries: Annotated[int, typer.Option(metavar="N", min=0, help="Try a run that fails or dies N times more.")] = 0,
    step_timeout: Annotated[
        float, typer.Option(metavar="S", min=1, help="End a run that makes no progress for so many seconds.")
    ] = 600.0,
    checkpoint_every: Annotated[
        float, typer.Option(metavar="S", min=0, help="Save the state of a run every so many seconds.")
    ] = 120.0,
    tracker: Trackers = None,
) -> int:
    """Train, score and measure everything a sweep file asks for; finished runs are reused."""
    from bench.plan import plan
    from bench.store import Store
    from bench.sweep import load_sweep

    wanted = load_sweep(file, overrides=override or [], select=select)
    trackers = _trackers(tracker or [], wanted)
    store = Store(results)
    check = partial(_check_file, file, override or [])
    if probe and not dry_run:
        raise BenchError("a probe is made before a sweep", remedy="add --dry-run", key="--probe")
    if dry_run:
        planned = plan(wanted, store)
        runs = planned.to_run(rerun)
        if not as_json:
            print_plan(planned, runs)
        if not no_check:
            check(wanted, runs or wanted.runs, device, store, data_root)
        probes = probed(wanted, runs, device, store, data_root) if probe else None
        if as_json:
            timed = {} if probes is None else {"probes": plain(probes)}
            print_json({"dry_run": True, "runs": _planned(planned, runs), **timed})
        elif probes:
            print_probes(probes)
        return ExitCode.STORE if planned.unreadable else ExitCode.OK

    from bench.cli.running import How, run_planned

    how = How(
        rerun=rerun,
        device=device,
        data_root=data_root,
        keep=keep,
        executor=executor,
        step_timeout_s=step_timeout,
        retries=retries,
        checkpoint_s=checkpoint_every,
        exit_first=exit_first,
        as_json=as_json,
        trackers=trackers,
    )
    whole = None if override else load_sweep(file) if select else wanted
    return run_planned(wanted, store, how, whole=whole, check=None if no_check else check)


def _trackers(asked: Sequence[str], sweep: Sweep) -> list[Component]:
    """Those of the file, then those of the command; none of either for `none`.  Raises BenchError for unknown ones."""
    from bench import names
    from bench.spec import Component

    found = {} if "none" in asked else {one.name: one for one in sweep.trackers}
    for name in asked:
        if name != "none":
            try:
                found.setdefault(name, names.resolve("tracker", Component(name=name)))
            except BenchError as error:
                error.key = "--tracker"
                raise
    return list(found.values())


def _check_file(
    file: Path,
    overrides: Sequence[str],
    sweep: Sweep,
    runs: Sequence[PlannedRun],
    device: str,
    store: Store,
    data_root: Path | None,
) -> None:
    """Build every distinct part of `runs` once; the first fault is told with the line where it was written."""
    from bench.run.checking import faults
    from bench.run.place import Place, pick_device
    from bench.sweep import locator

    place = Place(store=store, sweep=sweep.name, device=pick_device(device), data_root=data_root)
    for config, fault in faults([run.config for run in runs], place):
        raise locator(file, overrides)(fault, config) from fault.__cause__


def print_plan(planned: Plan, runs: Sequence[PlannedRun]) -> None:
    """A row for each run of the sweep and what will become of it."""
    starting = {run.run_id for run in runs}
    rows = []
    for run, state in planned.states:
        length = counted(run.config.epochs, "epoch") if run.config.epochs else counted(run.config.steps or 0, "step")
        said = "to run" if run.run_id in starting else _said(state, planned.why(run.run_id))
        rows.append((run.name, run.run_id, length, said))
    print_table(("run", "id", "length", "state"), rows)
    print(f"{counted(len(rows), 'run')}: {len(starting)} to run, {len(rows) - len(starting)} not")


def _said(state: str, why: str) -> str:
    if state.startswith("stale"):
        return f"stale ({why + '; ' if why else ''}--rerun stale)"
    return {"failed": "failed earlier (--rerun failed)", "unreadable": "its record cannot be read"}.get(state, state)


def _planned(planned: Plan, runs: tuple[PlannedRun, ...]) -> list[dict[str, Any]]:
    starting = {run.run_id for run in runs}
    return [
        {"run_id": r.run_id, "name": r.name, "state": state, "starts": r.run_id in starting, "config": r.config}
        for r, state in planned.states
    ]


def print_json(document: dict[str, Any]) -> None:
    """One JSON document on stdout and nothing else there."""
    plain = lambda value: value.model_dump(mode="json")  # noqa: E731
    print(json.dumps({"schema_number": 1, **document}, default=plain, indent=1))
