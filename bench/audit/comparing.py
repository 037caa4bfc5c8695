"""Rows against one another: copied values, work that does not grow with the image, times out of all proportion."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from bench.audit.counting import giga, work_of
from bench.audit.findings import Finding, Severity
from bench.audit.known import AREA
from bench.audit.rows import Entry, Row, Timing
from bench.audit.timing import WAIT, busy_share
from bench.cost.rules import APART, BUSY, GROWTH, ms


def check_pairs(rows: Sequence[Row]) -> Iterator[Finding]:
    """All rows of a file: tables of one file are about one piece of work."""
    yield from _copied(rows)
    yield from _same_work(rows)
    yield from _same_time(rows)
    yield from _rank(rows)
    yield from _mixed_sizes(rows)
    yield from _blank(rows)
    yield from _scores(rows)


def _firsts(rows: Sequence[Row]) -> list[Row]:
    """One row per label, size and counts: what is written ten times is compared once."""
    kept: dict[tuple[object, ...], Row] = {}
    for row in rows:
        counts = [entry and entry.figure.value for entry in (row.params, row.work)]
        kept.setdefault((_name(row), row.size, *counts), row)
    return list(kept.values())


def _name(row: Row) -> str:
    return row.network.label if row.network else row.label


def _copied(rows: Sequence[Row]) -> Iterator[Finding]:
    """Parameters and operations of one network in another one's row."""
    told = set()
    for a, b in combinations(_firsts(rows), 2):
        if not (a.params and a.work and b.params and b.work) or _name(a) == _name(b):
            continue
        if a.params.figure.value != b.params.figure.value or a.work.figure.value != b.work.figure.value:
            continue
        known = a.network and b.network and not set(a.network.networks) & set(b.network.networks)
        if (_name(a), _name(b)) in told or not (known or _times_differ(a, b)):
            continue
        told.add((_name(a), _name(b)))
        text = (
            f"{b.params.figure.text} parameters and {b.work.figure.text} operations are those of {_name(a)} "
            f"(line {a.line}) to the last digit; two networks do not share both: count this one by itself"
        )
        for row in rows:
            if _name(row) == _name(b) and row.params and row.params.figure.value == b.params.figure.value:
                yield _found(row, row.params, "impossible" if known else "suspicious", "copied", text)


def _times_differ(a: Row, b: Row) -> bool:
    """Equal counts are right where rows are trainings of one network; then their times are equal too."""
    times = [row.timings[0].image_ms for row in (a, b) if row.timings and row.timings[0].image_ms > 0]
    return len(times) == 2 and a.size == b.size and max(times) > 2 * min(times)


def _same_work(rows: Sequence[Row]) -> Iterator[Finding]:
    """One network, two sizes of image, one number of operations."""
    for a, b in combinations(_firsts(rows), 2):
        if _name(a) != _name(b) or not (a.work and b.work and a.area and b.area) or a.area == b.area:
            continue
        less, more = sorted((a, b), key=lambda row: row.area or 0)
        grown = (more.area or 0) / (less.area or 1)
        if grown > 1.3 and less.work and more.work and more.work.figure.value == less.work.figure.value:
            text = (
                f"{more.work.figure.text} operations at {_size(more)} and at {_size(less)} (line {less.line}); the "
                f"first is {grown:.2f} times the pixels and so about that much work: count at the size that was run"
            )
            for row in rows:
                if _name(row) == _name(more) and row.size == more.size and row.work:
                    yield _found(row, row.work, "impossible", "size", text)


# ------------------------------------------------------------------ times


class _Case(NamedTuple):
    """A network at one size on one device: the median of what its rows say."""

    row: Row
    timing: Timing
    time_ms: float


def _cases(rows: Sequence[Row]) -> list[_Case]:
    groups: dict[tuple[object, ...], list[tuple[Row, Timing]]] = {}
    for row in rows:
        for timing in row.timings:
            if 0 < timing.image_ms < 6e4:
                where = timing.device.label if timing.device else ""
                groups.setdefault((_name(row), row.size, where, timing.precision), []).append((row, timing))
    return [_Case(*each[0], statistics.median(timing.image_ms for _, timing in each)) for each in groups.values()]


def _comparable(a: _Case, b: _Case) -> bool:
    where = [case.timing.device.label if case.timing.device else "" for case in (a, b)]
    return where[0] == where[1] and a.timing.precision == b.timing.precision


def _same_time(rows: Sequence[Row]) -> Iterator[Finding]:
    """R6: one network, a much larger image, the same time."""
    for a, b in combinations(_cases(rows), 2):
        if _name(a.row) != _name(b.row) or not _comparable(a, b) or not (a.row.area and b.row.area):
            continue
        less, more = sorted((a, b), key=lambda case: case.row.area or 0)
        grown, slower = (more.row.area or 0) / (less.row.area or 1), more.time_ms / less.time_ms
        if (grown >= 3 and slower < GROWTH) or (grown >= 1.8 and slower <= 1.0):
            text = (
                f"{ms(more.time_ms)} at {_size(more.row)}, {ms(less.time_ms)} at {_size(less.row)} (line "
                f"{less.timing.entry.line}): {grown:.2f} times the pixels in {slower:.2f} times the time: launches were "
                f"timed, not their work; {WAIT}"
            )
            yield _found(more.row, more.timing.entry, "suspicious", "size", text)


def _rank(rows: Sequence[Row]) -> Iterator[Finding]:
    """R9: times of two networks against their work."""
    told = set()
    for a, b in combinations(_cases(rows), 2):
        pair = frozenset((_name(a.row), _name(b.row)))
        if len(pair) == 1 or pair in told or not _comparable(a, b):
            continue
        works = [(_by_name(case.row), case) for case in (a, b)]
        if any(work is None for work, _ in works):
            continue
        (least, light), (most, heavy) = sorted(works, key=lambda found: found[0] or 0.0)
        assert least is not None
        assert most is not None
        factor, slower = most / least, heavy.time_ms / light.time_ms
        if not _out_of_proportion(light, heavy, factor, slower):
            continue
        told.add(pair)
        text = (
            f"{ms(light.time_ms)} where {_name(heavy.row)} (line {heavy.timing.entry.line}) takes "
            f"{ms(heavy.time_ms)}, with {factor:.1f} times the work ({giga(most)} against {giga(least)} GMAC); "
            f"one of the two clocks stopped too early; {WAIT}"
        )
        yield _found(light.row, light.timing.entry, "suspicious", "proportion", text)


def _by_name(row: Row) -> float | None:
    """Multiply-adds of one image: of the network that the row names, whatever the row says of it, at its size."""
    if row.network and row.area:
        return min(net.macs.at_seven for net in row.network.networks) * row.area / AREA
    work = work_of(row)
    return work.macs if work else None


def _out_of_proportion(light: _Case, heavy: _Case, factor: float, slower: float) -> bool:
    """Launches and memory excuse much, so both must be busy with arithmetic, or the order must be upside down."""
    known = bool(light.row.network and heavy.row.network)
    if known and factor >= APART and slower <= 1.0:
        return True
    device, works = light.timing.device, [work_of(case.row) for case in (light, heavy)]
    if device is None or device.peak is None or works[0] is None or works[1] is None:
        return False
    shares = [busy_share(c.timing, w, device.peak) for c, w in zip((light, heavy), works, strict=True) if w]
    return min(shares) >= BUSY and not 1 / APART <= slower / factor <= APART


# ------------------------------------------------------------------ the table as such


def _mixed_sizes(rows: Sequence[Row]) -> Iterator[Finding]:
    """Networks that are compared at sizes of their own."""
    by_table: dict[int, list[Row]] = {}
    for row in rows:
        if row.size and (row.work or row.timings):
            by_table.setdefault(row.table, []).append(row)
    for table, those in by_table.items():
        sizes: dict[str, set[tuple[int, int]]] = {}
        for row in those:
            sizes.setdefault(_name(row), set()).add(row.size or (0, 0))
        if len(sizes) < 2 or set.intersection(*sizes.values()):
            continue
        first = next(iter(sizes))
        other = next(name for name in sizes if not sizes[name] & sizes[first]) if len(sizes) > 1 else first
        text = (
            f"{first} at {_sizes(sizes[first])}, {other} at {_sizes(sizes[other])}: operations and times at different "
            "sizes rank nothing; give every network at one common size"
        )
        entry = next((e for row in those for e in (row.work, *(t.entry for t in row.timings)) if e), None)
        yield Finding("note", "sizes", those[0].line, "", entry.column if entry else "", text, table)


def _sizes(found: set[tuple[int, int]]) -> str:
    return " and ".join(f"{a}x{b}" for a, b in sorted(found))


def _size(row: Row) -> str:
    return f"{row.size[0]}x{row.size[1]}" if row.size else "?"


def _blank(rows: Sequence[Row]) -> Iterator[Finding]:
    """A row without a single result, in a table that has some."""
    full = {row.table for row in rows if not row.blank}
    for row in rows:
        if row.blank and row.table in full:
            text = "the row holds no result; say whether it failed, runs or was left out"
            yield Finding("note", "empty", row.line, row.label, "", text, row.table)


def _scores(rows: Sequence[Row]) -> Iterator[Finding]:
    """An mIoU outside of 0 to 100, or fractions and per cent in one column."""
    columns: dict[tuple[int, str], list[tuple[Row, Entry]]] = {}
    for row in rows:
        for entry in row.mious:
            if not 0 <= entry.figure.value <= 100:
                text = f"{entry.figure.text} is outside of 0 to 100 %; correct it"
                yield _found(row, entry, "impossible", "score", text)
            columns.setdefault((row.table, entry.column), []).append((row, entry))
    for those in columns.values():
        below = [pair for pair in those if 0 < pair[1].figure.value <= 1 and "%" not in pair[1].figure.text]
        above = [pair for pair in those if pair[1].figure.value > 1.5]
        if below and above:
            few = min(below, above, key=len)
            text = "fractions and per cent stand in one column; write all of them one way"
            yield _found(*few[0], "suspicious", "score", text)


def _found(row: Row, entry: Entry, severity: Severity, rule: str, text: str) -> Finding:
    return Finding(severity, rule, entry.line, row.label, entry.column, text, row.table)
