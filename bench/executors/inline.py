"""Planned runs -> their events, one after the other in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bench.spec import Failure, PlannedRun


def inline(
    runs: Sequence[PlannedRun],
    attempt: Callable[[PlannedRun], Iterator[Any]],
    *,
    stop: Callable[[], bool] | None = None,
    stop_at_failure: bool = False,
) -> Iterator[tuple[PlannedRun, Any]]:
    """Run in this process, one after the other.

    Yields (run, event) as they come.  A Failure of one run does not stop the others, unless asked to; once `stop()` is
    true no further run is started.
    """
    for run in runs:
        if stop and stop():
            return
        for event in attempt(run):
            yield run, event
            if isinstance(event, Failure) and (stop_at_failure or event.state == "interrupted"):
                return
