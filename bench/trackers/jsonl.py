"""Events of a run -> `events.jsonl` in its folder: started, progress, evaluation, picture, finished or failed."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.spec import Evaluation, Failure, RunRecord
from bench.trackers.scored import scored, table
from bench.trackers.tracker import About, Start

FILE = "events.jsonl"


def jsonl() -> Start:
    """A line of JSON for each event, in events.jsonl; always kept."""
    return Lines


class Lines:
    """Each line is with the system before the next event; the file is on the disk when the run has ended.  Between
    events it is closed: a sweep that breaks off leaves nothing open.

    A new try begins a new file, so that a step stands in it once: one that goes on is told all that came before.
    """

    def __init__(self, about: About) -> None:
        self.classes = about.classes
        about.folder.mkdir(parents=True, exist_ok=True)
        self.path = about.folder / FILE
        self.path.unlink(missing_ok=True)  # whoever reads the old one keeps it
        self._line(
            "started",
            run_id=about.run.run_id,
            name=about.run.name,
            sweep=about.sweep,
            steps=about.steps,
            config=about.run.config.model_dump(mode="json"),
        )

    def progress(
        self, step: int, losses: Mapping[str, tuple[float | None, ...]], rates: Mapping[str, tuple[float, ...]]
    ) -> None:
        """`losses` and `rates` hold a number for each update up to `step`, None where there was none."""
        plain = {name: list(map(_number, values)) for name, values in losses.items()}
        self._line("progress", step=step, losses=plain, rates={n: list(map(_number, v)) for n, v in rates.items()})

    def evaluation(self, evaluation: Evaluation) -> None:
        """mIoU by domain."""
        free = {name: _number(value) for name, value in evaluation.label_free.items()}
        scores = scored(evaluation.confusion)
        self._line("evaluation", step=evaluation.step, split=evaluation.split, miou=scores, label_free=free)

    def picture(self, file: Path) -> None:
        """Its name; it lies in the same folder."""
        self._line("picture", file=file.name)

    def ended(self, outcome: RunRecord | Failure) -> None:
        """The scores of a record, or the state and the reason of a failure."""
        if isinstance(outcome, Failure):
            self._line("failed", state=outcome.state, reason=outcome.reason, utc=outcome.finished_utc)
        else:
            self._line(
                "finished",
                steps=outcome.steps,
                chosen_step=outcome.chosen_step,
                miou=scored(outcome.confusion),
                iou=list(table(outcome.confusion, outcome.classes)),
                seconds=outcome.seconds,
                utc=outcome.finished_utc,
            )
        with self.path.open("rb") as file:
            os.fsync(file.fileno())

    def _line(self, event: str, **facts: Any) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"event": event, **facts}, allow_nan=False) + "\n")


def _number(value: float | None) -> float | None:
    """Six digits, as records have; None for what is not finite, which JSON has no word for."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.6g}")
