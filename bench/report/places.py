"""Rows -> their order and the places each may hold, given that intervals which overlap tell no two rows apart.

A row's places run from 1 + the rows that lie wholly above it to all but those wholly below it.  Two rows whose
intervals overlap therefore always share a place; two that are told apart may still share one.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.report import wording
from bench.report.results import Cell
from bench.report.rows import Row


def ranked(rows: Sequence[Row]) -> list[tuple[Row, str]]:
    """Rows with the words for their first column: ranked ones by falling mean, then the others in the plan's order."""
    able = [(row, row.mean) for row in rows]
    known = [(row, mean) for row, mean in able if mean is not None and _rankable(row, mean)]
    known.sort(key=lambda pair: (-pair[1].value, pair[0].order, wording.key_of(pair[0].ids)))
    found = [(row, _place(mean, [m for _, m in known])) for row, mean in known]
    placed = {id(row) for row, _ in known}
    others = [row for row in rows if id(row) not in placed]
    order = {"finished": 0, "demonstration": 1}
    others.sort(key=lambda row: order.get(row.state, 2))
    return found + [(row, state(row)) for row in others]


def state(row: Row) -> str:
    """`not ranked` for a finished row without an interval, else the state and why."""
    if row.state == "finished":
        return "not ranked"
    return wording.state(row.state, row.reason)


def _rankable(row: Row, mean: Cell) -> bool:
    return row.state == "finished" and mean.low is not None and mean.high is not None


def _place(own: Cell, all_rows: Sequence[Cell]) -> str:
    above = sum(other.low > own.high for other in all_rows)  # type: ignore[operator]
    below = sum(other.high < own.low for other in all_rows)  # type: ignore[operator]
    first, last = 1 + above, len(all_rows) - below
    return str(first) if first == last else f"{first} to {last}"
