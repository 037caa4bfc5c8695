"""What an audit found: one line each, the worst first within its row; equal ones of several rows become one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from bench.spec import printable

Severity = Literal["impossible", "suspicious", "note"]
SEVERITIES: tuple[Severity, ...] = ("impossible", "suspicious", "note")


@dataclass(frozen=True)
class Finding:
    """`text` says what cannot be, why, and what to do; `others` are further lines of which the same holds.

    `rule` names the check; `row` is the label of the row, `column` the title above its figure, `table` the line of the
    table's header.
    """

    severity: Severity
    rule: str
    line: int
    row: str
    column: str
    text: str
    table: int = 0
    others: tuple[int, ...] = ()

    def __str__(self) -> str:
        """`12: impossible: PIDNet-S, "Latency": ...`, without the file's name."""
        column = f'"{printable(self.column, 60)}"' if self.column else ""
        place = ", ".join(part for part in (printable(self.row, 60), column) if part)
        also = f" [and {ranges(self.others)}]" if self.others else ""
        return f"{self.line}: {self.severity}: {f'{place}: ' if place else ''}{self.text}{also}"


@dataclass
class Audit:
    """`unchecked` says what nobody could judge and which option helps."""

    findings: tuple[Finding, ...]
    unchecked: tuple[str, ...]
    tables: int
    rows: int
    counts: dict[Severity, int] = field(init=False)

    def __post_init__(self) -> None:
        self.counts = {s: sum(f.severity == s for f in self.findings) for s in SEVERITIES}


def merged(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """In the order of lines; the same fault of one model in one table stands once, with the lines it holds for."""
    kept: dict[tuple[str, ...], Finding] = {}
    for one in sorted(findings, key=lambda f: (f.line, SEVERITIES.index(f.severity), f.rule)):
        key = (one.severity, one.rule, one.row, one.column, str(one.table))
        first = kept.get(key)
        if first is None:
            kept[key] = one
        elif one.line != first.line and one.line not in first.others:
            kept[key] = replace(first, others=(*first.others, one.line))
    return tuple(sorted(kept.values(), key=lambda f: (f.line, SEVERITIES.index(f.severity), f.rule)))


def ranges(lines: Iterable[int]) -> str:
    """`lines 4, 7 to 9`."""
    numbers, parts = sorted(set(lines)), list[tuple[int, int]]()
    for n in numbers:
        if parts and n == parts[-1][1] + 1:
            parts[-1] = (parts[-1][0], n)
        else:
            parts.append((n, n))
    told = [f"{a}" if a == b else f"{a} to {b}" if b > a + 1 else f"{a}, {b}" for a, b in parts]
    shown = told if len(told) <= 6 else [*told[:5], f"... {told[-1]}"]
    return f"line{'s' * (len(numbers) > 1)} {', '.join(shown)}"
