"""What the fields of a resolved configuration that make up its training recipe must be to each other."""

from __future__ import annotations

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


ENDS_AT_NOTHING = ("cosine", "linear", "poly")
"""Schedules that are 0 at their end, unless they have a floor; after it no update would change anything."""


def _idle(config: RunConfig) -> bool:
    shorter = config.steps is not None and (config.schedule_steps or config.steps) < config.steps
    return shorter and not config.scheduler.options.get("floor")
