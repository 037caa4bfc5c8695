"""The beginning of a run's id, as typed -> the id."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bench.spec import BenchError
from bench.store.checking import RUN
from bench.store.folder import Store
from bench.store.reading import entries

_BEGINNING = re.compile(r"r-[0-9a-f]{1,16}")
SHOWN = 3


def run_called(text: str, stores: Iterable[Store]) -> str | None:
    """The id that `text` is, or that it alone begins among the records of `stores`; None where it looks like no id.

    Raises BenchError where no record's id begins so, or several do.  A whole id is given back, known or not.
    """
    if not _BEGINNING.fullmatch(text):
        return None
    if len(text) == len("r-") + 16:
        return text
    files = (item.name for store in stores for item in entries(store.root / "runs"))
    found = sorted({known[1] for known in map(RUN.fullmatch, files) if known and known[1].startswith(text)})
    if len(found) == 1:
        return found[0]
    if not found:
        remedy = "`bench status FILE` lists the ids of a sweep"
        raise BenchError(f"no run's id begins with {text}", remedy=remedy)
    listed = ", ".join(found[:SHOWN]) + (", ..." if len(found) > SHOWN else "")
    raise BenchError(f"the ids of {len(found)} runs begin with {text}: {listed}", remedy="write more of it")
