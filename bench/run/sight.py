"""A configuration -> the domains that its method sees, with labels and without."""

from __future__ import annotations

from typing import NamedTuple

from bench import names
from bench.names.combined import title
from bench.spec import BenchError, RunConfig


class Sight(NamedTuple):
    """Domains: `labelled` are trained on with labels, `unlabelled` is the target of a method that adapts to one."""

    labelled: tuple[str, ...]
    unlabelled: str | None


def sight(config: RunConfig) -> Sight:
    """What the method of a resolved `config` sees.  Raises BenchError for a target that is missing or the source."""
    seen, target = names.sees_of_target(config.method), config.target
    if target is None:
        if seen in ("images", "labels"):
            problem = f"method '{title(config.method)}' needs a target"
            raise BenchError(problem, remedy="write `target: <domain>`", key="target")
        return Sight((config.source,), None)
    if seen == "nothing":  # its rows stand beside those of methods that do look at the target
        return Sight((config.source,), None)
    if target == config.source:
        problem = f"the target {target} is the source"
        raise BenchError(problem, remedy="choose another domain for one of them", key="target")
    if seen == "labels":
        return Sight((target,) if config.method.name == "oracle" else (config.source, target), None)
    return Sight((config.source,), target)
