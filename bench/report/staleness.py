"""Records and today's code -> which rows were made by other code, in words.

Only what a record noted can be compared: one of schema 1 is never called stale.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bench.names.code import changed_parts
from bench.report import wording
from bench.spec import RunRecord, printable

if TYPE_CHECKING:
    from bench.report.rows import Row

MOST = 8
"""Parts that are named; a record made by hand may have any number."""


def changed(record: RunRecord) -> tuple[tuple[str, str | None], ...]:
    """The parts of the code that are not what made this record, with the digests that they had."""
    return tuple((part, record.code.get(part)) for part in changed_parts(record.config, record.code))


def words(row: Row) -> str:
    """`code: loop, loss` for a row of this machine; '' for one that is not stale, or that the project ships."""
    return f"code: {_listed(row.stale)}" if row.stale and row.origin == "local" else ""


def notes(rows: Iterable[Row]) -> list[str]:
    """A sentence on the stale rows of this machine and one on the reference rows, where there are any."""
    rows = [row for row in rows if row.stale]
    stale, shipped = ([row for row in rows if row.origin == origin] for origin in ("local", "reference"))
    found = []
    if stale:
        which = "1 row" if len(stale) == 1 else f"{len(stale)} rows"
        what = f"stale: the code named in {which} has changed since; its runs are kept until they are asked for anew"
        found.append(f"{what} (bench sweep FILE --rerun stale)")
    if shipped:
        parts = wording.distinct(part for row in shipped for part in row.stale)
        found.append(f"reference rows were made by earlier code: {_listed(sorted(parts))}")
    return found


def _listed(parts: Iterable[str]) -> str:
    named = [printable(part, limit=40) for part in parts]
    return ", ".join(named[:MOST]) + (f" and {len(named) - MOST} more" if len(named) > MOST else "")
