"""`bench lr-find`: the runs of a sweep file -> a learning-rate range test of each kind, and a rate to begin with."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench import names
from bench.cli.console import counting, print_table, say
from bench.cli.plugins import Plugin
from bench.cli.sweeping import DataRoot, Override, Results, Select, print_json
from bench.spec import BenchError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.run.finding import Found
    from bench.run.place import Place
    from bench.spec import PlannedRun

RULES = ("valley", "steepest", "minimum/10")


def lr_find(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The sweep file (YAML).")],
    select: Select = None,
    override: Override = None,
    lowest: Annotated[float, typer.Option("--from", metavar="LR", help="The rate to begin with.")] = 1e-7,
    highest: Annotated[float, typer.Option("--to", metavar="LR", help="The rate to end with.")] = 10.0,
    steps: Annotated[int, typer.Option(metavar="N", help="Updates at most.")] = 100,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Where pictures and JSON go; .bench/lr-find/.")
    ] = None,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda[:N]", help="Where to train.")] = "auto",
    results: Results = Path("results"),
    data_root: DataRoot = None,
    plugin: Plugin = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> int:
    """Train a copy of a run at ever higher learning rates and suggest one; the run itself is not touched.

    Runs that differ in nothing but learning rate, schedule, seed or scoring share a test.  The suggestion is the middle
    of the curve's longest fall ("valley"); the steepest point and a tenth of the minimum's rate stand beside it.
    """
    from bench.run.finding import alike, check_range
    from bench.run.place import Place, pick_device
    from bench.store import Store
    from bench.sweep import load_sweep, locator

    check_range(lowest, highest, steps)
    sweep = load_sweep(file, overrides=override or [], select=select)
    store = Store(results)
    place = Place(store=store, sweep=sweep.name, device=pick_device(device), data_root=data_root)
    folder = out if out is not None else store.work / "lr-find"
    told, rows, worst = [], [], ExitCode.OK
    for group in alike([run.config for run in sweep.runs]):
        runs = [sweep.runs[i] for i in group]
        try:
            found = _found(runs[0], place, lowest, highest, steps)
        except BenchError as error:
            if error.code == ExitCode.ENVIRONMENT:
                raise
            placed = locator(file, override or [])(error, runs[0].config)
            whose = "" if placed.line is not None else f"{runs[0].name}: "
            print("bench: error:", f"{whose}{placed}", file=sys.stderr)
            worst = worst or error.code
            continue
        told.append(_kept(runs, found, folder))
        rows.append(_row(runs, found))
    if as_json:
        print_json({"tests": told})
    elif rows:
        print_table(("run", "runs", "lr now", *RULES, "loss broke away at"), rows, right=range(1, 6))
        _explain(told, folder)
    return worst


def _found(run: PlannedRun, place: Place, lowest: float, highest: float, steps: int) -> Found:
    from bench.run.finding import find

    with counting(f"rates of {run.name}", steps) as tick:
        return find(run.config, place, lowest=lowest, highest=highest, steps=steps, tell=lambda done: tick())


def _kept(runs: Sequence[PlannedRun], found: Found, folder: Path) -> dict[str, Any]:
    """Write the picture and the JSON of a test; gives the JSON."""
    from bench.report.lr_curve import lr_curve
    from bench.store import replace

    picture = folder / f"{runs[0].run_id}.png"
    first = next(iter(found.suggestions.items()), None)
    told: dict[str, Any] = {
        "name": runs[0].name,
        "run_ids": [run.run_id for run in runs],
        "lr": found.lr,
        "suggestion": None if first is None else {"rule": first[0], "lr": first[1]},
        "suggestions": found.suggestions,
        "broke_away_at": found.rates[-1] if found.broke else None,
        "rates": list(found.rates),
        "losses": list(found.losses),
        "smoothed": found.smoothed,
        "picture": str(picture),
    }
    lr_curve(
        picture,
        found.rates,
        found.losses,
        found.smoothed,
        title=runs[0].name + (" (synthetic data)" if names.synthetic(runs[0].config) else ""),
        suggestions=found.suggestions,
        now=found.lr,
    )
    replace(picture.with_suffix(".json"), json.dumps(told, indent=1).encode())
    return told


def _row(runs: Sequence[PlannedRun], found: Found) -> tuple[str, ...]:
    rules = [f"{found.suggestions[rule]:.2g}" if rule in found.suggestions else "" for rule in RULES]
    broke = f"{found.rates[-1]:.2g}" if found.broke else "nowhere"
    return (runs[0].name, str(len(runs)), f"{found.lr:g}", *rules, broke)


def _explain(told: Sequence[dict[str, Any]], folder: Path) -> None:
    for one in told:
        if one["suggestion"] is None:
            say(f"{one['name']}: the loss does not clearly fall; try more --steps, or a higher --to", sys.stderr)
    found = [one for one in told if one["suggestion"]]
    if found:
        say("valley: the middle of the longest fall, the one to try first; --set optimizer.lr=... takes it")
    say(f"pictures and readings lie in {folder}/ (named by run id)")
