"""Reports of the loop -> what the record tells of the training: losses, learning rate, scores along the way, time."""

from __future__ import annotations

import datetime
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bench.spec import Evaluation, History

if TYPE_CHECKING:
    from bench.train import Progress

POINTS = 500
"""A stored curve has at most this many points; each is the mean over the steps since the one before."""


class Journal:
    """Grows while a run trains; `state` and `restore` take it through a checkpoint."""

    def __init__(self) -> None:
        self.losses: dict[str, list[float | None]] = {}
        self.lr: list[float] = []
        self.evaluations: list[Evaluation] = []
        self.resumed_at: list[int] = []
        self.best: tuple[float, int] | None = None
        self.seconds = {"prepare": 0.0, "data": 0.0, "train": 0.0, "evaluate": 0.0, "selection": 0.0}
        self.started_utc = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def note(self, progress: Progress, lr: list[float]) -> int | None:
        """Take in a report and each step's learning rate; returns the first step whose loss is not finite."""
        first = progress.step - len(lr)
        for name in self.losses.keys() | progress.losses.keys():  # a loss may begin late, or rest
            known = self.losses.setdefault(name, [None] * len(self.lr))
            known.extend(progress.losses.get(name, [None] * len(lr)))
        self.lr.extend(lr)
        bad = [
            first + i + 1
            for values in progress.losses.values()
            for i, v in enumerate(values)
            if v is not None and not math.isfinite(v)
        ]
        return min(bad, default=None)

    def better(self, score: float | None, step: int) -> bool:
        """Whether `score` beats every one before; the first of equals stays, and no score never wins."""
        if score is None or not math.isfinite(score) or (self.best is not None and score <= self.best[0]):
            return False
        self.best = (score, step)
        return True

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Add the wall time of the block to `seconds[what]`."""
        before = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[what] += time.perf_counter() - before

    def history(self) -> History:
        """The curves, thinned to at most POINTS points of six digits; what is not finite or was not there is None."""
        total = len(self.lr)
        width = max(1, -(-total // POINTS))
        ends = [min(end, total) for end in range(width, total + width, width)]

        def mean(values: list[float | None], end: int) -> float | None:
            part = [v for v in values[end - width if end % width == 0 else end - end % width : end] if v is not None]
            average = sum(part) / len(part) if part else math.nan
            return float(f"{average:.6g}") if math.isfinite(average) else None

        return History(
            steps=tuple(ends),
            losses={name: tuple(mean(values, end) for end in ends) for name, values in self.losses.items()},
            lr=tuple(float(f"{self.lr[end - 1]:.6g}") for end in ends),
        )

    def state(self) -> dict[str, Any]:
        return {
            "losses": self.losses,
            "lr": self.lr,
            "evaluations": [e.model_dump(mode="json") for e in self.evaluations],
            "resumed_at": self.resumed_at,
            "best": self.best,
            "seconds": self.seconds,
            "started_utc": self.started_utc,
        }

    def restore(self, state: dict[str, Any], step: int) -> None:
        """Take back a `state` saved after `step` updates, and note that the run goes on from there.

        Time already spent in this process, on reading images again, is added to what was spent before.
        """
        self.losses, self.lr, self.started_utc = state["losses"], state["lr"], state["started_utc"]
        self.seconds = {name: state["seconds"].get(name, 0.0) + spent for name, spent in self.seconds.items()}
        self.evaluations = [Evaluation.model_validate(e) for e in state["evaluations"]]
        self.best = None if state["best"] is None else (state["best"][0], state["best"][1])
        self.resumed_at = [*state["resumed_at"], step]
