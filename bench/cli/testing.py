"""`bench test-plugin`: a file or a package of components -> which promises of their kinds they keep."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.console import print_table, say
from bench.cli.sweeping import print_json
from bench.spec import BenchError, Component, ExitCode, counted

if TYPE_CHECKING:
    from bench.contracts.promise import Finding


def try_plugin(
    what: Annotated[str, typer.Argument(metavar="FILE|PACKAGE", help="A Python file, or an installed package.")],
    option: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME.KEY=VALUE", help="An option to try with; repeatable.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> int:
    """Try every component that a plug-in offers; say which promise is broken and what to change."""
    found: list[Finding] = []
    for kind, component in _components(what, option or []):
        say(f"trying {kind} {component.name}", sys.stderr)
        found += _examined(kind, component)
    broken = [finding for finding in found if finding.fault]
    if as_json:
        print_json({"findings": [asdict(finding) for finding in found], "broken": len(broken)})
    else:
        kept = [(f.kind, f.name, f.promise, f.fault or "kept", f.remedy) for f in found]
        print_table(("kind", "name", "promise", "found", "remedy"), kept)
        parts = len({(f.kind, f.name) for f in found})
        print(f"{counted(len(found), 'promise')} of {counted(parts, 'component')}: {len(broken)} broken")
    return ExitCode.RUNS_FAILED if broken else ExitCode.OK


def _examined(kind: str, component: Component) -> Iterator[Finding]:
    """What came of each promise; one finding alone for a component that cannot be had at all."""
    from bench import names
    from bench.contracts.promise import Finding, examine

    try:
        names.builder(names.entry(kind, names.resolve(kind, component).name))
    except BenchError as fault:
        yield Finding(kind, component.name, "it can be built", fault.problem, fault.remedy)
        return
    yield from examine(kind, component)


def _components(what: str, options: Sequence[str]) -> list[tuple[str, Component]]:
    """Every component that the file or package offers, with the options asked for; raises BenchError for none."""
    from bench import names
    from bench.contracts import PROMISES
    from bench.names import offers

    origin = what
    if what.endswith(".py") or Path(what).is_file():
        path = Path(what).absolute()
        offers.add_plugins([path])
        names.forget()
        read = next(file for file in offers.plugin_files() if file.path == path)
        if read.fault:
            raise BenchError(f"no plug-in: {read.fault}", remedy="mend the file", file=what)
        origin = path.name
    given = _options(options)
    found = [
        (kind, Component(name=name, options=given.pop(name, {})))
        for kind in names.TABLES
        if kind in PROMISES
        for name, listed in sorted(names.plugins(kind).items())
        if any(offer.origin == origin for offer in listed)
    ]
    if not found:
        remedy = "name a .py file with tables, or an installed package with entry points such as bench.models"
        raise BenchError(f"'{what}' offers no component", remedy=remedy)
    if given:
        raise BenchError(f"'{what}' offers no '{next(iter(given))}'", remedy="see bench list", key="--set")
    return found


def _options(words: Sequence[str]) -> dict[str, dict[str, Any]]:
    """`name.key=value` -> name -> key -> value."""
    import json

    found: dict[str, dict[str, Any]] = {}
    for word in words:
        path, equals, text = word.partition("=")
        name, dot, key = path.rpartition(".")
        if not equals or not dot:
            raise BenchError(f"'{word}' sets nothing", remedy="write NAME.KEY=VALUE", key="--set")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        found.setdefault(name, {})[key] = value
    return found
