"""What a run tells while it is under way, and the two ways it may stop by itself."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from bench.spec import Evaluation, Failure, RunRecord

if TYPE_CHECKING:
    from bench.journal import Journal


class Interrupted(Exception):
    """The run was asked to stop and has saved its state."""


class Diverged(Exception):
    """A loss was nan or infinite."""


@dataclass(frozen=True)
class Phase:
    """What a run is doing now; `steps` is the number of updates it will have made at the end, once known.

    `stages` are the factors of the learning rate of the network's stages, stem to head, where they have their own.
    `telling` is one that deserves a line which stays.
    """

    what: str
    steps: int | None = None
    stages: dict[str, float] = field(default_factory=dict)
    telling: bool = False


@dataclass(frozen=True)
class Taken:
    """The run is left out: another sweep has it now or, with `done`, has done with it since this one was planned."""

    done: bool


@dataclass(frozen=True)
class Reached:
    """What the loop did up to update `step`: each loss and the learning rate, a value per update since the last report.

    None where a method had no such loss at a step.
    """

    step: int
    losses: dict[str, tuple[float | None, ...]]
    lr: tuple[float, ...]


Event: TypeAlias = "Phase | Reached | Evaluation | Taken | RunRecord | Failure"


def told_again(journal: Journal) -> Iterator[Event]:
    """All that a resumed run told before, so that who listens to this try alone misses nothing."""
    done, total = 0, len(journal.lr)
    for evaluation in (*journal.evaluations, None):
        end = evaluation.step if evaluation else total
        if end > done:
            losses = {name: tuple(values[done:end]) for name, values in journal.losses.items()}
            yield Reached(end, losses, tuple(journal.lr[done:end]))
        if evaluation:
            yield evaluation
        done = end


def utc_now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
