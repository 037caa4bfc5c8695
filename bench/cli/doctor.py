"""`bench doctor`: what this machine can measure, what would spoil it, and what to do about it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.console import print_table
from bench.cli.sweeping import DataRoot, print_json
from bench.spec import ExitCode

if TYPE_CHECKING:
    from bench.doctor.finding import Finding


def doctor(
    store: Annotated[Path, typer.Option("--store", metavar="DIR", help="The results folder to look at.")] = Path(
        "results"
    ),
    data_root: DataRoot = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> int:
    """Look at this machine: what it can measure, and what would make its figures wrong."""
    from bench.doctor.finding import LEVELS

    found = list(findings(store, data_root))
    worst = max((finding.level for finding in found), key=LEVELS.index)
    counted = {level: sum(finding.level == level for finding in found) for level in LEVELS}
    if as_json:
        print_json({"worst": worst, "counts": counted, "findings": [finding._asdict() for finding in found]})
    else:
        print_table(("", "what", "how it is", "what to do"), [(f.level, f.check, f.said, f.remedy) for f in found])
        print(
            ", ".join(f"{number} {level}{'s' * (level != 'ok' and number != 1)}" for level, number in counted.items())
        )
        if worst == "fault":
            print("a fault would make results wrong: see to it before measuring")
    return ExitCode.ENVIRONMENT if worst == "fault" else ExitCode.OK


def findings(results: Path, data_root: Path | None) -> Iterator[Finding]:
    """All that there is to find, in a fixed order."""
    from bench import machine
    from bench.doctor.card import cards
    from bench.doctor.data import data
    from bench.doctor.folder import folder
    from bench.doctor.host import disk, host, memory
    from bench.doctor.software import environment, extras, versions
    from bench.store import Store

    facts, place = machine.describe("cpu"), Store(results)
    yield from host(facts)
    yield memory(facts)
    yield disk("disk of results", place.root)
    yield disk("disk of .bench", place.work)
    gpus = list(cards())
    yield from gpus
    yield from versions()
    yield from environment(os.environ, facts["cpu"]["usable_cores"] or 1, any(f.check == "GPU 0" for f in gpus))
    yield from extras()
    yield from folder(place.root)
    yield from data(data_root)
