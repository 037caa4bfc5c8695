"""What a run tells while it is under way, and the two ways it may stop by itself."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from bench.spec import Failure, RunRecord
from bench.train import Progress


class Interrupted(Exception):
    """The run was asked to stop and has saved its state."""


class Diverged(Exception):
    """A loss was nan or infinite."""


@dataclass(frozen=True)
class Phase:
    """What a run is doing now; `steps` is the number of updates it will have made at the end, once known."""

    what: str
    steps: int | None = None


Event = Phase | Progress | RunRecord | Failure


def utc_now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
