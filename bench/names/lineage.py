"""A configuration -> the other runs whose weights it needs: those must have finished before it starts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from bench.names.combined import COMBINED, PARTS
from bench.spec import Component, RunConfig

_RUN = re.compile(r"r-[0-9a-f]{16}")


def is_run(text: Any) -> TypeGuard[str]:
    """Whether `text` is a run's id, and no file or model."""
    return isinstance(text, str) and _RUN.fullmatch(text) is not None


def runs_before(config: RunConfig) -> tuple[str, ...]:
    """The ids of the runs that `config` starts from or is taught by."""
    named = (config.init, *(part.options.get("teacher") for part in parts_of(config.method)))
    return tuple(dict.fromkeys(text for text in named if is_run(text)))


def teachers_of(method: Component) -> tuple[Component, ...]:
    """The networks, named in the configuration itself, that teach beside the model."""
    named = (part.options.get("teacher") for part in parts_of(method))
    return tuple(Component.model_validate(one) for one in named if one and not is_run(one))


def weights_before(config: RunConfig) -> dict[str, str]:
    """`init` and `teacher`, whichever there is -> the run or the file whose weights it takes."""
    options = [part.options for part in parts_of(config.method) if "teacher" in part.options]
    given = [
        o.get("teacher_weights") or o["teacher"] for o in options if o.get("teacher_weights") or is_run(o["teacher"])
    ]
    found = {"init": config.init, "teacher": given[0] if given else None}
    return {what: text for what, text in found.items() if text}


def parts_of(method: Component) -> tuple[Component, ...]:
    """A method, or what it combines."""
    if method.name != COMBINED:
        return (method,)
    return tuple(Component.model_validate(part) for part in method.options.get(PARTS, ()))


def in_order(configs: Mapping[str, RunConfig]) -> Iterator[str]:
    """The run ids of `configs` in their order, but each behind those that it needs the weights of."""
    told: set[str] = set()
    waiting = list(configs)[::-1]
    while waiting:
        run_id = waiting[-1]
        first = [other for other in runs_before(configs[run_id]) if other in configs and other not in told]
        if first:  # an id is a digest of what is needed, so nothing can need itself
            waiting += first[::-1]
            continue
        waiting.pop()
        if run_id not in told:
            told.add(run_id)
            yield run_id
