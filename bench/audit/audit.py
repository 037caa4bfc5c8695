"""A file of results -> its audit: every check over every row, and what could not be checked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.audit.building import rows_of
from bench.audit.comparing import check_pairs
from bench.audit.counting import check_counts, work_of
from bench.audit.devices import is_processor
from bench.audit.findings import Audit, Finding, merged, ranges
from bench.audit.reading import read
from bench.audit.rows import Row, Rows, Supplied
from bench.audit.timing import check_times


def audit(path: Path, supplied: Supplied | None = None) -> Audit:
    """Read `path` (Markdown or CSV) and judge it; raises BenchError where there is nothing to judge."""
    sections = read(path)
    found = rows_of(sections, supplied or Supplied())
    findings = [*_reading(found), *check_pairs(found.rows)]
    for row in found.rows:
        findings += [*check_counts(row), *check_times(row)]
    return Audit(merged(findings), tuple(_unchecked(found.rows)), found.tables, len(found.rows))


def _reading(found: Rows) -> Iterator[Finding]:
    """What had to be guessed, or could not be read."""
    for line, title, unit in found.assumed:
        text = f"no unit is named, read as {unit}; write it into the header"
        yield Finding("note", "unit", line, "", title, text, line)
    for line, table in found.ragged:
        text = "the row has more or fewer cells than the header; close each cell with | or a delimiter"
        yield Finding("note", "ragged", line, "", "", text, table)
    for entry in found.unread:
        text = f"'{entry.figure.text[:40]}' cannot be read as one number; it was not checked"
        yield Finding("note", "unread", entry.line, "", entry.column, text)


def _unchecked(rows: list[Row]) -> Iterator[str]:
    """What an option would make checkable."""
    timed = [(row, timing) for row in rows for timing in row.timings]
    unsized = [row.line for row in rows if row.network and not row.size and (row.work or row.timings)]
    if unsized:
        yield f"operations and times against the known network ({ranges(unsized)}): add --size, none is named"
    nameless = [row.line for row, timing in timed if work_of(row) and timing.device is None]
    if nameless:
        yield f"times against a card ({ranges(nameless)}): add --device, none is named"
    for label in sorted({t.device.label for _, t in timed if t.device and t.device.peak is None}):
        if not is_processor(label):
            lines = ranges(row.line for row, t in timed if t.device and t.device.label == label)
            yield f"times on {label} ({lines}): its peak is not known here"
    low = [row.line for row, timing in timed if timing.low_bits]
    if low:
        yield f"times with integers or sparsity ({ranges(low)}): peaks here are those of floats"
    workless = [row.line for row, _ in timed if work_of(row) is None and not (row.network and not row.size)]
    if workless:
        yield f"times without work ({ranges(workless)}): no operations are given and the network is not known here"
