"""A run's schedule, warm-up and scores so far -> the factor of its learning rates at every step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.scores.counts import miou
from bench.spec import BenchError, Evaluation, RunConfig


def _none() -> Sequence[Evaluation]:
    return ()


class Rates:
    """`factor(step)` for each of a run's `steps` updates, `per_epoch` of which are one pass over the labelled images.

    `shape` is the built schedule of `config`; `evaluations` gives those made so far, whose scores of the source's val
    split a schedule such as `plateau` looks at.  A factor follows from these and the step alone: a resumed run needs no
    state of it.  Raises BenchError for a warm-up that does not end within the run.
    """

    def __init__(
        self,
        config: RunConfig,
        shape: Callable[[float], float],
        steps: int,
        per_epoch: int,
        evaluations: Callable[[], Sequence[Evaluation]] = _none,
    ) -> None:
        if config.warmup_steps >= steps:
            problem = f"a warm-up of {config.warmup_steps} steps does not end within a run of {steps}"
            raise BenchError(problem, remedy="choose fewer `warmup_steps`", key="warmup_steps")
        self.config, self.shape, self.evaluations = config, shape, evaluations
        self.whole = config.schedule_steps or steps
        self.stride = per_epoch if config.schedule_by == "epoch" else 1
        self.after: Callable[[Sequence[float | None]], float] | None = getattr(shape, "after", None)
        swing: Callable[[float], float] | None = getattr(shape, "momentum", None)
        self.momentum = None if swing is None else lambda step: swing(self._progress(step))
        """Momentum of the optimizer for the update that follows so many updates, where the schedule moves it."""
        self._scores: dict[int, float | None] = {}

    def factor(self, step: int) -> float:
        """What every learning rate is multiplied by for the update that follows `step` updates.

        The shape goes over `schedule_steps` from the first step on, by the step or by the epoch, and stays at its end
        once that is reached; the warm-up, a straight line from `warmup_from` to 1, multiplies it step by step.
        """
        factor = self.ramp(step) * self.shape(self._progress(step))
        if self.after is not None:
            factor *= self.after([self._score(e) for e in self.evaluations() if e.step <= step])
        return factor

    def ramp(self, step: int) -> float:
        """The warm-up alone: `warmup_from` at step 0, 1 from step `warmup_steps` on."""
        start, length = self.config.warmup_from, self.config.warmup_steps
        return start + (1 - start) * step / length if step < length else 1.0

    def _progress(self, step: int) -> float:
        begun = step - step % self.stride
        return min(begun / self.whole, 1.0)

    def _score(self, evaluation: Evaluation) -> float | None:
        """mIoU of the source's val split; worked out once for each evaluation."""
        if evaluation.step not in self._scores:
            counts = evaluation.confusion.get(self.config.source)
            self._scores[evaluation.step] = None if counts is None else miou(counts)
        return self._scores[evaluation.step]
