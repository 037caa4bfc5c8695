"""Events of a run -> a TensorBoard log in its folder; `tensorboard --logdir .bench/runs` shows all of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.spec import Evaluation, Failure, RunRecord
from bench.trackers.extra import extra
from bench.trackers.scored import scored, table
from bench.trackers.tracker import About, Start, Tracker


def tensorboard(*, flush_s: int = 10) -> Start:
    """TensorBoard: losses, rates, scores, pictures, table, hyper-parameters (extra `tensorboard`)."""
    with extra("tensorboard"):
        from torch.utils.tensorboard import SummaryWriter

    def start(about: About) -> Tracker:
        folder = about.folder / "tensorboard"
        shutil.rmtree(folder, ignore_errors=True)  # a try is told whole, so that a step is there once
        return Board(about, SummaryWriter(str(folder), flush_secs=flush_s))

    return start


class Board:
    """Scalars `loss/<name>`, `lr/<group>`, `val_miou/<domain>`, `test_miou/<domain>`; the image `predictions`; the
    texts `configuration`, `result` and `failure`; and the run's line under HPARAMS."""

    def __init__(self, about: About, writer: Any) -> None:
        self.about, self.writer = about, writer
        config = about.run.config.model_dump(mode="json")
        self._text("configuration", "```\n" + json.dumps(config, indent=1) + "\n```")

    def progress(
        self, step: int, losses: Mapping[str, tuple[float | None, ...]], rates: Mapping[str, tuple[float, ...]]
    ) -> None:
        """Every value at its own step."""
        for head, curves in (("loss", losses), ("lr", rates)):
            for name, values in curves.items():
                for at, value in enumerate(values, step - len(values) + 1):
                    if value is not None:
                        self.writer.add_scalar(f"{head}/{name}", value, at)

    def evaluation(self, evaluation: Evaluation) -> None:
        """mIoU and the scores without labels, at the evaluation's step."""
        for domain, value in scored(evaluation.confusion).items():
            if value is not None:
                self.writer.add_scalar(f"{evaluation.split}_miou/{domain}", value, evaluation.step)
        for name, free in evaluation.label_free.items():
            if free is not None:
                self.writer.add_scalar(f"label_free/{name}", free, evaluation.step)

    def picture(self, file: Path) -> None:
        """At the last step."""
        import numpy as np
        from PIL import Image

        with Image.open(file) as image:
            pixels = np.asarray(image.convert("RGB"))
        self.writer.add_image("predictions", pixels, self.about.steps, dataformats="HWC")

    def ended(self, outcome: RunRecord | Failure) -> None:
        """The table of the record and its mIoU beside the hyper-parameters, or the reason of the failure."""
        if isinstance(outcome, Failure):
            self._text("failure", f"{outcome.state}: {outcome.reason}")
        else:
            rows = (f"| {d} | {c} | {_percent(v)} |" for d, c, v in table(outcome.confusion, outcome.classes))
            self._text("result", "\n".join(("| domain | class | IoU (%) |", "|---|---|--:|", *rows)))
            scores = {f"test_miou/{d}": v for d, v in scored(outcome.confusion).items() if v is not None}
            chosen = dict(_settings(outcome.config.model_dump(mode="json")))
            self.writer.add_hparams(chosen, scores, run_name=".", global_step=outcome.chosen_step)
        self.writer.close()

    def _text(self, tag: str, text: str) -> None:
        self.writer.add_text(tag, text, self.about.steps)


def _percent(value: float | None) -> str:
    return "n/a" if value is None else f"{100 * value:.2f}"


def _settings(config: Mapping[str, Any], head: str = "") -> Iterator[tuple[str, bool | float | str]]:
    """A column each for what a configuration sets, `loss.name` and `loss.threshold` for a component and its option."""
    for key, value in config.items():
        if isinstance(value, dict):
            yield from _settings(value, f"{head}{key}.")
        elif value is not None:
            yield head + key, value if isinstance(value, (bool, int, float, str)) else json.dumps(value)
