"""A configuration -> the domains that its method sees, with labels and without."""

from __future__ import annotations

import functools
from typing import NamedTuple

from bench import names
from bench.methods.method import Method
from bench.names.combined import title
from bench.spec import BenchError, Component, RunConfig


class Sight(NamedTuple):
    """Domains: `labelled` are trained on with labels, `unlabelled` is the target of a method that adapts to one."""

    labelled: tuple[str, ...]
    unlabelled: str | None


def sight(config: RunConfig) -> Sight:
    """What the method of `config` sees.  Raises BenchError for a target that is missing, not wanted or the source."""
    needs, labels_from = _wants(config.method.model_dump_json(), names.dataset_info(config.dataset).num_classes)
    uses = needs or labels_from != "source"
    if uses and config.target is None:
        problem = f"method '{title(config.method)}' needs a target"
        raise BenchError(problem, remedy="write `target: <domain>`", key="target")
    if config.target is not None and not uses:
        problem = f"method '{title(config.method)}' looks at no target"
        raise BenchError(problem, remedy="remove `target`", key="target")
    if config.target is not None and config.target == config.source:
        problem = f"the target {config.target} is the source"
        raise BenchError(problem, remedy="choose another domain for one of them", key="target")
    target = () if config.target is None else (config.target,)
    labelled = {"source": (config.source,), "target": target, "both": (config.source, *target)}[labels_from]
    return Sight(labelled, config.target if needs else None)


@functools.lru_cache(maxsize=256)
def _wants(component: str, classes: int) -> tuple[bool, str]:
    method: Method = names.build("method", Component.model_validate_json(component), None, classes)
    return method.needs_target, method.labels_from
