"""Resolved configurations -> the names people read: pidnet_s-urban-ohem-poly-source_only-s0."""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from bench.names.combined import COMBINED, PARTS, title
from bench.spec import JSON, Component, Domain, RunConfig

_OTHER = re.compile(r"[^a-z0-9._]+")
_FIELDS = sorted(RunConfig.model_fields)
_DOMAINS = ("source", "target", "evaluate_on")


def readable(configs: Sequence[RunConfig], ids: Sequence[str]) -> list[str]:
    """One name each, all different.

    Runs that would share a name carry the options in which they differ, `-optimizer.lr=0.001`, sorted by key; runs
    that still do (values that read alike) carry their id.
    """
    names = [_short(config) for config in configs]
    known: Leaves = {}
    for group in _shared(names):
        additions = _differences([configs[i] for i in group], known)
        for n, i in enumerate(group):
            names[i] += additions[n]
    for group in _shared(names):
        for i in group:
            names[i] += "-" + ids[i]
    return names


def _short(config: RunConfig) -> str:
    parts = (config.model, _domain(config.source, config.dataset.name), config.loss, config.scheduler, config.method)
    return "-".join(_title(p) if isinstance(p, Component) else _slug(p) for p in parts) + f"-s{config.seed}"


def _title(component: Component) -> str:
    return "+".join(_slug(name) for name in title(component).split("+"))


def _shared(names: Sequence[str]) -> Iterator[list[int]]:
    """The positions of every name that more than one run has."""
    groups = defaultdict(list)
    for i, name in enumerate(names):
        groups[name].append(i)
    return (group for group in groups.values() if len(group) > 1)


Leaves = dict[tuple[str, tuple[int, str]], dict[str, str]]
"""(field, (id of its value, dataset)) -> what the field says, so that an object is put into words once."""


def _differences(configs: Sequence[RunConfig], known: Leaves) -> list[str]:
    """For each configuration `-key=value` of all in which they are not alike, sorted by key."""
    additions = [""] * len(configs)
    for field in _FIELDS:  # a domain reads otherwise under another dataset
        objects = [(id(getattr(config, field)), config.dataset.name) for config in configs]
        having = {which: configs[n] for n, which in enumerate(objects)}
        if len(having) == 1:
            continue
        leaves = {which: known.get((field, which)) or _leaves(config, field) for which, config in having.items()}
        known |= {(field, which): leaf for which, leaf in leaves.items()}
        keys = sorted({key for leaf in leaves.values() for key in leaf})
        differ = [key for key in keys if len({leaf.get(key) for leaf in leaves.values()}) > 1]
        told = {which: "".join(f"-{k}={leaf[k]}" for k in differ if k in leaf) for which, leaf in leaves.items()}
        for n, which in enumerate(objects):
            additions[n] += told[which]
    return additions


def _leaves(config: RunConfig, field: str) -> dict[str, str]:
    """Dotted key -> value as a word, of all that a field says; a component's own name under its kind."""
    value = getattr(config, field)
    if isinstance(value, Component):
        parts = value.options[PARTS] if value.name == COMBINED else []
        options = {f"{field}.{key}": _word(inner) for key, inner in value.options.items() if inner is not parts}
        for part in parts:
            options |= {f"{field}.{part['name']}.{k}": _word(inner) for k, inner in part.items() if k != "name"}
        return {field: _title(value), **options}
    if field in _DOMAINS:
        domains = (value,) if isinstance(value, str) else value or ()
        return {field: "+".join(_slug(_domain(domain, config.dataset.name)) for domain in domains) or "none"}
    return {field: _word(value)}


@functools.lru_cache(maxsize=256)
def _domain(text: str, home: str) -> str:
    """`urban`, or `camvid_dusk` when it is a domain of another dataset than `home`."""
    domain = Domain.parse(text)
    return domain.name if domain.dataset == home else f"{domain.dataset}_{domain.name}"


def _word(value: JSON) -> str:
    if isinstance(value, Component):
        return "+".join([_slug(value.name), *(f"{k}.{_word(v)}" for k, v in value.options.items())])
    if isinstance(value, (tuple, list)):
        return "x".join(_word(inner) for inner in value) or "none"
    return _slug(str(value))


@functools.lru_cache(maxsize=4096)
def _slug(text: str) -> str:
    """`text` in small letters, digits, `.` and `_`, so that `-`, `+` and `=` are ours to join with."""
    return _OTHER.sub("_", text.lower()) or "_"
