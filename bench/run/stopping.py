"""Scores along the way -> whether a run has stopped getting better."""

from __future__ import annotations

import math
from typing import Any


class EarlyStop:
    """One object for one run: it ends where `patience` evaluations in a row bring no gain over the last that did.

    A gain is a score more than `min_gain` above that of the last gain, in the unit of the criterion that chooses.
    Nothing is counted before there is a score, nor with a `patience` of None.  `stopped_at` is the step it said so at.
    """

    def __init__(self, patience: int | None, min_gain: float = 0.0) -> None:
        self.patience, self.min_gain = patience, min_gain
        self.best: float | None = None
        self.waited = 0
        self.stopped_at: int | None = None

    def look(self, score: float | None, step: int) -> None:
        """Take in the score after `step` updates, more being better; None and nan are no gain."""
        if self.patience is None:
            return
        if score is not None and math.isfinite(score) and (self.best is None or score > self.best + self.min_gain):
            self.best, self.waited = score, 0
        elif self.best is not None:
            self.waited += 1
            if self.waited >= self.patience and self.stopped_at is None:
                self.stopped_at = step

    def state(self) -> dict[str, Any]:
        return {"best": self.best, "waited": self.waited, "stopped_at": self.stopped_at}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""
        self.best, self.waited, self.stopped_at = state["best"], state["waited"], state["stopped_at"]
