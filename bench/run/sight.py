"""A configuration -> the domains that its method sees, with labels and without."""

from __future__ import annotations

from typing import NamedTuple

from bench import names
from bench.spec import RunConfig


class Sight(NamedTuple):
    """Domains: `labelled` are trained on with labels, `unlabelled` is the target of a method that adapts to one."""

    labelled: tuple[str, ...]
    unlabelled: str | None


def sight(config: RunConfig) -> Sight:
    """What the method of a resolved `config` sees."""
    seen, target = names.sees_of_target(config.method), config.target
    if target is None or seen == "nothing":  # such rows stand beside those of methods that do look at the target
        return Sight((config.source,), None)
    if seen == "labels":
        return Sight((target,) if config.method.name == "oracle" else (config.source, target), None)
    return Sight((config.source,), target)
