"""What the fields of a resolved configuration that make up its training recipe must be to each other."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.spec import BenchError, RunConfig


def check_recipe(config: RunConfig) -> None:
    """Raises BenchError, keyed by the field to change, for a schedule or a warm-up that could never do its work."""
    if config.scheduler.name == "plateau" and not config.evaluate_every:
        problem = "schedule 'plateau' waits for scores, and none are taken along the way"
        raise BenchError(problem, remedy="write `evaluate_every: <steps>`", key="scheduler")
    if config.steps is not None and config.warmup_steps >= config.steps:
        problem = f"a warm-up of {config.warmup_steps} steps does not end within a run of {config.steps}"
        raise BenchError(problem, remedy="choose fewer `warmup_steps`", key="warmup_steps")
    if config.scheduler.name in ENDS_AT_NOTHING and _idle(config):
        problem = f"the rate is 0 from step {config.schedule_steps} of {config.steps} on"
        raise BenchError(problem, remedy="choose `schedule_steps` of at least `steps`", key="schedule_steps")
    if config.groups.name == "by_stage":
        asked = config.groups.options
        check_stages(asked["head"], asked["first"], asked["rest"], asked["thaw"], asked["frozen"])


def check_stages(
    head: float, first: float | None, rest: float | None, thaw: float | None, frozen: Sequence[str]
) -> None:
    """What of the options of `bench.groups.by_stage` can be told without a network; raises BenchError."""
    for key, value in (("head", head), ("first", first), ("rest", rest)):
        if value is not None and not 0 < value < math.inf:
            raise BenchError(f"{key} is {value}", remedy="choose a number above 0", key=f"groups.{key}")
    if first is not None and rest is not None:
        raise BenchError("`first` and `rest` both say how fast a stage learns", remedy="keep one", key="groups.rest")
    if thaw is not None and not 0 < thaw < 1:
        remedy = "choose a share of the run, more than 0 and less than 1, or null for never"
        raise BenchError(f"thaw is {thaw}", remedy=remedy, key="groups.thaw")
    if thaw is not None and not frozen:
        raise BenchError("`thaw` without `frozen`", remedy="name the stages that rest", key="groups.thaw")


ENDS_AT_NOTHING = ("cosine", "linear", "poly")
"""Schedules that are 0 at their end, unless they have a floor; after it no update would change anything."""


def _idle(config: RunConfig) -> bool:
    shorter = config.steps is not None and (config.schedule_steps or config.steps) < config.steps
    return shorter and not config.scheduler.options.get("floor")
