"""Planned runs -> their events, one after the other in this process."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

from bench.executors import tries_again
from bench.spec import Failure, PlannedRun


def inline(
    runs: Sequence[PlannedRun],
    attempt: Callable[[PlannedRun, int], Iterator[Any]],
    *,
    stop: Callable[[], bool] = lambda: False,
    stop_at_failure: bool = False,
    retries: int = 0,
) -> Generator[tuple[PlannedRun, Any], None, None]:
    """Run in this process, one after the other; `attempt(run, number)` is one try of a run, numbered from 1.

    Yields (run, event) as they come.  A Failure of one run does not stop the others, unless asked to; it is tried again
    up to `retries` times.  Once `stop()` is true no further run is started.
    """
    for run in runs:
        number, again, event = 0, True, None
        while again:
            if stop():
                return
            number += 1
            for event in attempt(run, number):
                yield run, event
            again = tries_again(event, number, retries)
        if isinstance(event, Failure) and (stop_at_failure or event.state == "interrupted"):
            return
