"""Runs that adapt -> the reference rows that belong beside them: the same but for the method."""

from __future__ import annotations

from bench import names
from bench.spec import Component, RunConfig

CONTROLS = ("source_only", "oracle", "joint")


def with_controls(runs: dict[str, RunConfig]) -> dict[str, RunConfig]:
    """`runs` by id and, behind them, what `controls: auto` adds: source_only, oracle and joint of every run whose
    method looks at target images, with its model, seed and schedule; one that is there already is not added again."""
    methods = [names.resolve("method", Component(name=name)) for name in CONTROLS]
    id_of, found = names.id_reader(), dict(runs)
    for config in runs.values():
        if names.sees_of_target(config.method) == "images":
            for method in methods:
                control = config.model_copy(update={"method": method})
                found.setdefault(id_of(control), control)
    return found
