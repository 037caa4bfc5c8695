"""Events of a run -> Weights & Biases: an offline run in the run's folder, unless WANDB_MODE says otherwise."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.spec import Evaluation, Failure, RunRecord
from bench.trackers.extra import extra
from bench.trackers.scored import scored, table
from bench.trackers.tracker import About, Start, Tracker


def wandb(*, project: str | None = None, entity: str | None = None, tags: tuple[str, ...] = ()) -> Start:
    """Weights & Biases, offline unless WANDB_MODE says otherwise (extra `wandb`).

    The project is that of WANDB_PROJECT, else `bench`, unless given.  `wandb sync` uploads what was kept offline.
    """
    mode = os.environ.get("WANDB_MODE") or "offline"
    if mode == "offline":  # the library reports its own errors home at once, and looks up a host for it
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    with extra("wandb"):
        import wandb as library

    def start(about: About) -> Tracker:
        if mode == "offline":
            shutil.rmtree(about.folder / "wandb", ignore_errors=True)  # a try is told whole: one directory has it all
        run = library.init(
            project=project or os.environ.get("WANDB_PROJECT") or "bench",
            entity=entity,
            tags=tags,
            dir=about.folder,
            mode=mode,  # type: ignore[arg-type]
            id=f"{about.run.run_id}-{about.attempt}",
            resume=None if mode == "offline" else "allow",
            reinit="create_new",
            name=about.run.name,
            group=about.sweep,
            config={"run_id": about.run.run_id, **about.run.config.model_dump(mode="json")},
            settings=library.Settings(
                silent=True,
                console="off",
                disable_git=True,  # the record has the commit
                disable_code=True,
                x_disable_stats=True,  # the run is in another process, and clocks are read on this machine
            ),
        )
        return Watch(library, run)

    return start


class Watch:
    """Values as the run's history, step by step; the table, its mIoU and what came of the run in its summary."""

    def __init__(self, library: Any, run: Any) -> None:
        self.library, self.run, self.step = library, run, 0

    def progress(
        self, step: int, losses: Mapping[str, tuple[float | None, ...]], rates: Mapping[str, tuple[float, ...]]
    ) -> None:
        """One row of history for each update."""
        curves = {f"loss/{name}": values for name, values in losses.items()}
        curves |= {f"lr/{name}": values for name, values in rates.items()}
        width = max(map(len, curves.values()), default=0)
        for back in range(width, 0, -1):
            row = {name: values[-back] for name, values in curves.items() if len(values) >= back}
            self._log({name: value for name, value in row.items() if value is not None}, step - back + 1)

    def evaluation(self, evaluation: Evaluation) -> None:
        """mIoU and the scores without labels."""
        scores = {f"{evaluation.split}_miou/{domain}": v for domain, v in scored(evaluation.confusion).items()}
        scores |= {f"label_free/{name}": value for name, value in evaluation.label_free.items()}
        self._log({name: value for name, value in scores.items() if value is not None}, evaluation.step)

    def picture(self, file: Path) -> None:
        """At the last step."""
        self._log({"predictions": self.library.Image(str(file))}, self.step)

    def ended(self, outcome: RunRecord | Failure) -> None:
        """The table of the record, or the reason of the failure; then the run is finished."""
        if isinstance(outcome, Failure):
            self.run.summary.update({"state": outcome.state, "reason": outcome.reason})
        else:
            rows = [list(row) for row in table(outcome.confusion, outcome.classes)]
            self._log({"result": self.library.Table(columns=["domain", "class", "IoU"], data=rows)}, self.step)
            scores = {f"test_miou/{domain}": value for domain, value in scored(outcome.confusion).items()}
            self.run.summary.update({"state": "finished", "chosen_step": outcome.chosen_step, **scores})
        self.run.finish(exit_code=int(isinstance(outcome, Failure)))

    def _log(self, row: dict[str, Any], step: int) -> None:
        self.step = step
        if row:
            self.run.log(row, step=step)
