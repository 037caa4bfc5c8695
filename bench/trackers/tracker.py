"""What a tracker is told of, and what it is: it watches one try of one run from its first update to its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

from bench.spec import Evaluation, Failure, PlannedRun, RunRecord


@dataclass(frozen=True)
class About:
    """A try of `run` that begins to train: `steps` updates in all; `attempt` counts the run's records, this one's too.

    `stages` are the factors by which the learning rates of the network's stages differ from the base rate, if any do.
    What a tracker keeps lies in `folder`, the run's own; a try that goes on after a stop is told all that came before.
    """

    run: PlannedRun
    sweep: str
    folder: Path
    steps: int
    attempt: int
    classes: tuple[str, ...]
    stages: dict[str, float] = field(default_factory=dict)

    def rates(self, lr: Sequence[float]) -> dict[str, tuple[float, ...]]:
        """Learning rates by name: the `base` rate and that of each stage."""
        return {"base": tuple(lr), **{name: tuple(v * by for v in lr) for name, by in self.stages.items()}}


class Tracker(Protocol):
    """Watches one try of one run.  Whatever it raises costs the rest of what it would have seen, and no run."""

    def progress(
        self, step: int, losses: Mapping[str, tuple[float | None, ...]], rates: Mapping[str, tuple[float, ...]]
    ) -> None:
        """Updates up to `step`: a value of each loss and of each learning rate for every one since the last report."""

    def evaluation(self, evaluation: Evaluation) -> None:
        """Scores along the way."""

    def picture(self, file: Path) -> None:
        """The prediction picture (PNG): image, label and prediction for some images of each domain."""

    def ended(self, outcome: RunRecord | Failure) -> None:
        """The record of the try, or why there is none; nothing comes after it."""


Start: TypeAlias = Callable[[About], Tracker]
"""What a builder gives: it is called for each try."""
