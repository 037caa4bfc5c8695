"""`bench list`, `validate`, `status` and `show`: what there is, what a sweep file means and what became of it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from itertools import starmap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.console import print_table, say
from bench.cli.plugins import Plugin
from bench.cli.sweeping import Override, Results, Select, print_json
from bench.spec import BenchError, ExitCode, counted, printable

if TYPE_CHECKING:
    from bench.names import Entry, Option
    from bench.names.families import Family
    from bench.spec import RunConfig


def list_components(
    kind: Annotated[str | None, typer.Argument(metavar="[KIND]", help="models, losses, datasets, ...")] = None,
    plugin: Plugin = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> int:
    """Show what a sweep file can name, with options and defaults, and who offers it."""
    from bench import names

    plural = {PLURAL.get(k, k + "s"): k for k in names.TABLES if k != "executor"}
    singular = {v: v for v in plural.values()}
    if kind is not None and kind not in {**plural, **singular}:
        raise BenchError(f"there is no kind '{kind}'", remedy=names.near(kind, plural))
    kinds = sorted(plural.values()) if kind is None else [{**plural, **singular}[kind]]
    rows, documents = [], []
    for one in kinds:
        examples = {family.example: family for family in names.families(one).values()}
        for name in (*names.names(one), *examples):
            try:
                entry, options = names.entry(one, name), names.options(one, name)
                about = _about(entry)
            except Exception as fault:  # a plug-in of somebody else's, whose fault is not that of the rest
                say(f"bench: warning: {one} '{name}' is left out: {fault}", sys.stderr)
                continue
            said = name if name not in examples else examples[name].pattern
            origin = entry.origin if name not in examples else _library(examples[name])
            rows.append((said, one, about, ", ".join(_option(k, o) for k, o in options.items()), origin))
            defaults = {k: {"default": o.default, "required": o.required} for k, o in options.items()}
            documents.append({"kind": one, "name": said, "about": about, "options": defaults, "origin": origin})
    if as_json:
        print_json({"components": documents})
    else:
        which = ("kind",) if kind is None else ()
        print_table(
            ("name", *which, "what it is", "options", "from"), rows if which else [(r[0], *r[2:]) for r in rows]
        )
    return ExitCode.OK


def _about(entry: Entry) -> str:
    """What a component says of itself, its paper, and what there is to know of a dataset or a method."""
    from bench import names

    domains = some(names.dataset_info(entry.name).domains) if entry.kind == "dataset" else ""
    about = entry.about + (f" [{domains}]" if domains else "") + (f" ({entry.paper})" if entry.paper else "")
    return about + (f" [passes {entry.passes}; more networks: {entry.networks}]" if entry.passes else "")


def _library(family: Family) -> str:
    """A library by name, and how to get it where it is not installed."""
    return family.package if family.installed else f"{family.package} (not installed: {family.remedy})"


PLURAL = {"augment": "augment", "groups": "groups", "loss": "losses", "scoring": "scoring"}


def some(words: Sequence[str], most: int = 6) -> str:
    """The first of many words, and how many there are."""
    return " ".join(words[:most]) + (f" ... ({len(words)} in all)" if len(words) > most else "")


def _option(name: str, option: Option) -> str:
    return f"{name} (required)" if option.required else f"{name}={_value(option.default)}"


def _value(value: Any) -> str:
    return "none" if value is None else str(value)


def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Sweep files.")],
    override: Override = None,
    results: Results = Path("results"),
    plugin: Plugin = None,
) -> int:
    """Check sweep files and print every fault, one a line; also runs that others start from and that are not there."""
    from bench.names.lineage import runs_before
    from bench.plan import missing
    from bench.store import Store
    from bench.sweep import load_sweep, locator, problems

    worst = ExitCode.OK
    for file in files:
        found = problems(file, override or [])
        if not found:
            runs = load_sweep(file, overrides=override or []).runs
            planned = {run.run_id: run.config for run in runs}
            absent = missing(planned, Store(results)) if any(map(runs_before, planned.values())) else ()
            if wanting := [(fault, config) for config, fault in absent]:
                found = [*starmap(locator(file, override or []), wanting)]
        for problem in dict.fromkeys(map(str, found)):
            print("bench: error:", problem, file=sys.stderr)
        if found:
            worst = found[0].code
        else:
            print(f"{printable(str(file))}: {counted(len(runs), 'run')}, no fault")
    return worst


def status(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The sweep file (YAML).")],
    select: Select = None,
    override: Override = None,
    results: Results = Path("results"),
    plugin: Plugin = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> int:
    """Show what has become of each run of a sweep, and why a finished one is stale."""
    from bench.plan import plan
    from bench.store import Store, claimed
    from bench.sweep import load_sweep

    store = Store(results)
    planned = plan(load_sweep(file, overrides=override or [], select=select), store)
    running = claimed(store.work)
    states = [(r, "running" if r.run_id in running else str(s)) for r, s in planned.states]
    for problem in planned.unreadable.values():
        print("bench: error:", problem, file=sys.stderr)
    code = ExitCode.STORE if planned.unreadable else ExitCode.OK
    if as_json:
        rows = []
        for run, state in states:
            told = {"run_id": run.run_id, "name": run.name, "state": state, "why": planned.why(run.run_id) or None}
            rows.append({**told, "failure": planned.failures.get(run.run_id)})
        print_json({"runs": rows})
        return code
    reasons = {run_id: failure.reason for run_id, failure in planned.failures.items()}
    rows_of = [(r.name, r.run_id, s, reasons.get(r.run_id) or planned.why(r.run_id)) for r, s in states]
    print_table(("run", "id", "state", "reason"), rows_of)
    counts = Counter(state for _, state in states)
    always = ("done", "stale", "failed", "todo")
    said = [state for state in STATES if counts[state] or state in always]
    print(f"{counted(len(states), 'run')}: " + ", ".join(f"{counts[state]} {state}" for state in said))
    if any(counts[state] for state in ("stale", "stale-code", "stale-data")):
        print("stale runs are kept; `bench sweep FILE --rerun stale` makes them anew")
    return code


STATES = ("done", "stale", "stale-code", "stale-data", "failed", "running", "unreadable", "todo")
"""The order in which they are counted."""


def show(
    what: Annotated[str, typer.Argument(metavar="FILE|RUN", help="A sweep file, or a stored run: its id begins so.")],
    select: Select = None,
    override: Override = None,
    results: Results = Path("results"),
    groups: Annotated[
        bool, typer.Option("--groups", help="Instead a table of parameter groups: rates, decay, frozen stages.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print --groups as JSON, too.")] = False,
    plugin: Plugin = None,
) -> int:
    """Print resolved configurations (of a sweep file) or a whole record (of a run), as JSON."""
    from bench.cli.grouping import tell_groups
    from bench.store import Store, parse, run_called

    stores = (Store(results), Store(results / "reference"))
    run_id = run_called(what, stores)
    if run_id is None:
        from bench.sweep import load_sweep

        runs = load_sweep(Path(what), overrides=override or [], select=select).runs
        if groups:
            tell_groups([(run.name, run.config) for run in runs], as_json)
        else:
            print_json({"runs": [run.model_dump(mode="json") for run in runs]})
        return ExitCode.OK
    for path in (store.newest_run_file(run_id) for store in stores):
        if path is not None:
            record = parse(path)
            if groups:
                tell_groups([(run_id, _config(record, path))], as_json)
            else:
                print_json({"file": str(path), "record": record})
            return ExitCode.OK
    raise BenchError(f"no record of {run_id}", remedy="`bench status FILE` lists the ids of a sweep", file=results)


def _config(record: dict[str, Any], path: Path) -> RunConfig:
    """The configuration of a record as today's components read it."""
    from bench import names
    from bench.spec import RunRecord

    try:
        return names.resolve_config(RunRecord.model_validate(record).config)
    except BenchError as error:
        raise error.at(file=path) from None
