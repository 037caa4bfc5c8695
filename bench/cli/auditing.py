"""`bench audit`: somebody's published table of results -> what of it cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.console import say
from bench.cli.sweeping import print_json
from bench.spec import BenchError, ExitCode, printable

if TYPE_CHECKING:
    from bench.audit.devices import Device
    from bench.audit.findings import Audit, Finding


def audit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A Markdown file with pipe tables, or a CSV file.")],
    device: Annotated[
        str | None, typer.Option("--device", metavar="NAME", help="The device of times that name none: 'Tesla T4'.")
    ] = None,
    size: Annotated[
        str | None, typer.Option("--size", metavar="HxW", help="The image size of rows that name none: 512x512.")
    ] = None,
    batch: Annotated[int | None, typer.Option("--batch", metavar="N", min=1, help="Images per call, likewise.")] = None,
    classes: Annotated[int | None, typer.Option("--classes", metavar="N", min=1, help="Classes, likewise.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> int:
    """Say what cannot be true in a published table of results; exit 1 where something cannot."""
    from bench.audit.audit import audit as audited
    from bench.audit.rows import Supplied

    supplied = Supplied(device=_device(device), size=_size(size), batch=batch, classes=classes)
    found = audited(file, supplied)
    if as_json:
        print_json(_document(file, found))
    else:
        for finding in found.findings:
            say(printable(f"{file}:{finding}", 600))
        for text in found.unchecked:
            say(printable(f"not checked: {text}", 600))
        say(_summary(found))
    return ExitCode.RUNS_FAILED if found.counts["impossible"] else ExitCode.OK


def _summary(found: Audit) -> str:
    counts, tables = found.counts, f"{found.tables} table{'s' * (found.tables != 1)}"
    read = f"{found.rows} row{'s' * (found.rows != 1)} of {tables} read"
    if not found.findings:
        return f"{read}: nothing found"
    return f"{read}: {counts['impossible']} impossible, {counts['suspicious']} suspicious, {counts['note']} to note"


def _document(file: Path, found: Audit) -> dict[str, Any]:
    return {
        "file": str(file),
        "rows": found.rows,
        "counts": found.counts,
        "findings": [_fields(finding) for finding in found.findings],
        "not_checked": found.unchecked,
    }


def _fields(finding: Finding) -> dict[str, Any]:
    return {
        "severity": finding.severity,
        "rule": finding.rule,
        "lines": [finding.line, *finding.others],
        "row": finding.row,
        "column": finding.column,
        "text": finding.text,
    }


def _device(name: str | None) -> Device | None:
    from bench.audit.devices import NAMES, device, is_processor
    from bench.names import near

    found = device(name) if name is not None else None
    if name is not None and (found is None or (found.peak is None and not is_processor(name))):
        remedy = near(name.upper(), [*NAMES, "CPU"])
        raise BenchError(f"no peak is known for '{name}'", remedy=remedy, key="--device")
    return found


def _size(text: str | None) -> tuple[int, int] | None:
    from bench.audit.figures import size

    found = size(text) if text is not None else None
    if text is not None and found is None:
        raise BenchError(f"'{text}' is no image size", remedy="write height x width, as 512x1024", key="--size")
    return found
