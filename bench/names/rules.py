"""What the fields of a resolved configuration must be to each other where a target is concerned."""

from __future__ import annotations

from bench import names
from bench.names.combined import title
from bench.spec import BenchError, RunConfig


def check_target(config: RunConfig) -> None:
    """Raises BenchError, keyed by the field to change, for a target that is missing, the source, or not scored."""
    adapts = names.sees_of_target(config.method) in ("images", "labels")
    if config.target is None:
        if adapts:
            problem = f"method '{title(config.method)}' needs a target"
            raise BenchError(problem, remedy="write `target: <domain>`", key="method")
        return
    if config.target == config.source and (adapts or config.choose not in ("last", "source_val")):
        problem = f"the target {config.target} is the source"
        raise BenchError(problem, remedy="choose another domain for one of them", key="target")
    if config.choose == "oracle" and config.target not in config.evaluate_on:
        problem = f"`choose: oracle` chooses by labels of {config.target}, which is not scored"
        raise BenchError(problem, remedy="add it to `evaluate_on`", key="choose")
