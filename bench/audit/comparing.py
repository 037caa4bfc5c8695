"""Rows against one another: copied values, work that does not grow with the image, times out of all proportion."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from bench.audit.counting import giga
from bench.audit.findings import Finding, Severity
from bench.audit.known import AREA
from bench.audit.rows import Entry, Row, Timing
from bench.audit.timing import LONGEST_MS, WAIT
from bench.cost.rules import APART, BUSY, GROWTH, ms

MOST_CASES = 64
"""Networks on one device that are compared pair by pair."""
HALF = 0.5


def check_pairs(rows: Sequence[Row]) -> Iterator[Finding]:
    """All rows of a file: tables of one file are about one piece of work."""
    yield from _copied(rows)
    yield from _same_work(rows)
    cases = _cases(rows)
    for group in cases:
        yield from _same_time(group)
        yield from _rank(group[:MOST_CASES])
    yield from _mixed_sizes(rows)
    yield from _blank(rows)
    yield from _scores(rows)


def _name(row: Row) -> str:
    return row.network.label if row.network else row.label


def _copied(rows: Sequence[Row]) -> Iterator[Finding]:
    """Parameters and operations of one network in another one's row."""
    first: dict[tuple[float, float], Row] = {}
    for row in rows:
        if not row.params or not row.work or not row.work.figure.value:
            continue
        model = first.setdefault((row.params.figure.value, row.work.figure.value), row)
        if _name(model) == _name(row):
            continue
        known = model.network and row.network and not set(model.network.networks) & set(row.network.networks)
        if not (known or _times_differ(model, row)):
            continue
        text = (
            f"{row.params.figure.text} parameters and {row.work.figure.text} operations are those of {_name(model)} "
            f"(line {model.line}) to the last digit; two networks do not share both: count this one by itself"
        )
        yield _found(row, row.params, "impossible" if known else "suspicious", "copied", text)


def _times_differ(a: Row, b: Row) -> bool:
    """Equal counts are right where rows are trainings of one network; then their times are equal too."""
    times = [row.timings[0].image_ms for row in (a, b) if row.timings and row.timings[0].image_ms > 0]
    return len(times) == 2 and a.size == b.size and max(times) > 2 * min(times)


def _same_work(rows: Sequence[Row]) -> Iterator[Finding]:
    """One network, two sizes of image, one number of operations."""
    smallest: dict[tuple[str, float], Row] = {}
    counted = [row for row in rows if row.work and row.work.figure.value > 0 and row.area]
    for row in counted:
        assert row.work is not None
        key = (_name(row), row.work.figure.value)
        smallest[key] = min(smallest.get(key, row), row, key=lambda r: r.area or 0)
    for row in counted:
        assert row.work is not None
        less = smallest[_name(row), row.work.figure.value]
        grown = (row.area or 0) / (less.area or 1)
        if grown > GROWTH:
            text = (
                f"{row.work.figure.text} operations at {_size(row)} and at {_size(less)} (line {less.line}); the first "
                f"is {grown:.2f} times the pixels and so about that much work: count at the size that was run"
            )
            yield _found(row, row.work, "impossible", "size", text)


# ------------------------------------------------------------------ times


class _Case(NamedTuple):
    """A network at one size on one device: the median of what its rows say."""

    row: Row
    timing: Timing
    time_ms: float


def _cases(rows: Sequence[Row]) -> list[list[_Case]]:
    """Cases that can be compared, together: one device (or none named), one precision."""
    groups: dict[tuple[str, str | None], dict[tuple[str, int | None], list[tuple[Row, Timing]]]] = {}
    for row in rows:
        for timing in row.timings:
            if 0 < timing.image_ms < LONGEST_MS:
                where = timing.device.label if timing.device else ""
                group = groups.setdefault((where, timing.precision), {})
                group.setdefault((_name(row), row.area), []).append((row, timing))
    return [
        [_Case(*each[0], statistics.median(timing.image_ms for _, timing in each)) for each in group.values()]
        for group in groups.values()
    ]


def _same_time(cases: Sequence[_Case]) -> Iterator[Finding]:
    """R6: one network, a much larger image, the same time."""
    by_name: dict[str, list[_Case]] = {}
    for case in cases:
        if case.row.area:
            by_name.setdefault(_name(case.row), []).append(case)
    for those in by_name.values():
        more = max(those, key=lambda case: case.row.area or 0)
        for less in those:
            grown, slower = (more.row.area or 0) / (less.row.area or 1), more.time_ms / less.time_ms
            if (grown >= 3 and slower < GROWTH) or (grown >= 1.8 and slower <= 1.0):
                text = (
                    f"{ms(more.time_ms)} at {_size(more.row)}, {ms(less.time_ms)} at {_size(less.row)} (line "
                    f"{less.timing.entry.line}): {grown:.2f} times the pixels in {slower:.2f} times the time, as if "
                    f"launches were timed and not their work; {WAIT}"
                )
                yield _found(more.row, more.timing.entry, "suspicious", "size", text)
                break


def _rank(cases: Sequence[_Case]) -> Iterator[Finding]:
    """R9: times of two known networks against their work; of unknown ones too little is known for this."""
    told = set()
    for a, b in combinations([case for case in cases if case.row.network and case.row.area], 2):
        light, heavy = sorted((a, b), key=lambda case: _by_name(case.row))
        pair = (_name(light.row), _name(heavy.row))
        factor, slower = _by_name(heavy.row) / _by_name(light.row), heavy.time_ms / light.time_ms
        if pair[0] == pair[1] or pair in told or not _out_of_proportion(light, heavy, factor, slower):
            continue
        told.add(pair)
        text = (
            f"{ms(light.time_ms)} where {pair[1]} (line {heavy.timing.entry.line}) takes {ms(heavy.time_ms)}, with "
            f"{factor:.1f} times the work ({giga(_by_name(heavy.row))} against {giga(_by_name(light.row))} GMAC), "
            f"as if launches were timed and not their work; {WAIT}"
        )
        yield _found(light.row, light.timing.entry, "suspicious", "proportion", text)


def _by_name(row: Row) -> float:
    """Multiply-adds of one image of the network that the row names, at its size, whatever else the row says."""
    networks = row.network.networks if row.network else ()
    return min(net.macs.at_seven for net in networks) * (row.area or 0) / AREA


def _out_of_proportion(light: _Case, heavy: _Case, factor: float, slower: float) -> bool:
    """Five times the work in no more time; or both busy with arithmetic, and yet five times off.

    On a card far too fast for both, launches decide, and any order is possible: so the heavier one must take at least
    half of what its card does.
    """
    device = light.timing.device
    peak = device.peak if device else None
    if peak is None:
        return factor >= APART and slower <= 1.0
    usual = peak.of(light.timing.precision) if light.timing.precision else None
    usual = usual or max(peak.fp32, peak.tf32 or 0.0)
    shares = [2e3 * _by_name(case.row) / case.time_ms / usual for case in (light, heavy)]
    if factor >= APART and slower <= 1.0 and shares[1] >= HALF:
        return True
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
    """An mIoU outside of 0 to 100, or fractions and per cent in a column whose header does not say which."""
    columns: dict[tuple[int, str], list[tuple[Row, Entry]]] = {}
    for row in rows:
        for entry in row.mious:
            if not 0 <= entry.figure.value <= 100:
                text = f"{entry.figure.text} is outside of 0 to 100 %; correct it"
                yield _found(row, entry, "impossible", "score", text)
            columns.setdefault((row.table, entry.column), []).append((row, entry))
    for (_, column), those in columns.items():
        if "%" in column:
            continue
        below = [pair for pair in those if 0 < pair[1].figure.value <= 1 and "%" not in pair[1].figure.text]
        above = [pair for pair in those if pair[1].figure.value > 1.5]
        if below and above:
            few = min(below, above, key=len)
            text = "fractions and per cent stand in one column; write all of them one way"
            yield _found(*few[0], "suspicious", "score", text)


def _found(row: Row, entry: Entry, severity: Severity, rule: str, text: str) -> Finding:
    return Finding(severity, rule, entry.line, row.label, entry.column, text, row.table)
