"""What a run tells while it is under way, and the two ways it may stop by itself."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from bench.spec import Failure, RunRecord

if TYPE_CHECKING:
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


@dataclass(frozen=True)
class Taken:
    """The run is left out: another sweep has it now or, with `done`, has done with it since this one was planned."""

    done: bool


@dataclass(frozen=True)
class Reached:
    """A report of the loop, as it comes from another process: the fields that a display needs."""

    step: int
    losses: dict[str, tuple[float | None, ...]]


Event: TypeAlias = "Phase | Progress | Reached | Taken | RunRecord | Failure"


def utc_now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
