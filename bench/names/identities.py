"""A resolved configuration -> what its id is made of, and its id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench import names
from bench.names.combined import COMBINED, PARTS, each_part
from bench.spec import Component, RunConfig, run_id, run_id_reader


def identity(config: RunConfig) -> dict[str, Any]:
    """The fields of a resolved configuration that differ from their defaults: what its id is made of."""
    differs: dict[str, Any] = {}
    for key, field in RunConfig.model_fields.items():
        value = getattr(config, key)
        if isinstance(value, Component):
            short = _short(key, value)
            if field.is_required() or short != {"name": field.default.name}:
                differs[key] = short
        elif key == "augment":
            if value:
                differs[key] = [_short("augment", c) for c in value]
        elif field.is_required() or value != field.default:
            differs[key] = value
    return differs


def _short(kind: str, component: Component) -> dict[str, Any]:
    if component.name == COMBINED:
        shorter = each_part(kind, component.options[PARTS], lambda part: Component(**_nested(_short(kind, part))))
        return {"name": COMBINED, PARTS: shorter}
    known = names.options(kind, component.name)
    changed = {k: v for k, v in component.options.items() if known[k].required or v != names.jsonable(known[k].default)}
    return {"name": component.name, **changed}


def _nested(short: dict[str, Any]) -> dict[str, Any]:
    return {"name": short["name"], "options": {k: v for k, v in short.items() if k != "name"}}


def id_of(config: RunConfig) -> str:
    """The run id of a resolved configuration."""
    return run_id(names.identity(config))


def id_reader() -> Callable[[RunConfig], str]:
    """`id_of` for the many configurations of a sweep, faster."""
    return run_id_reader(names.identity)
