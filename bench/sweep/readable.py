"""Resolved configurations -> the names people read: pidnet_s-urban-ohem-poly-source_only-s0."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from bench.spec import JSON, Component, Domain, RunConfig

_OTHER = re.compile(r"[^a-z0-9._]+")


def readable(configs: Sequence[RunConfig], ids: Sequence[str]) -> list[str]:
    """One name each, all different.

    Runs that would share a name carry the options in which they differ, `-optimizer.lr=0.001`, sorted by key; runs
    that still do (values that read alike) carry their id.
    """
    names = [_short(config) for config in configs]
    for group in _shared(names):
        leaves = [dict(_leaves(configs[i])) for i in group]
        keys = sorted({key for leaf in leaves for key in leaf})
        differ = [key for key in keys if len({leaf.get(key) for leaf in leaves}) > 1]
        for i, leaf in zip(group, leaves, strict=True):
            names[i] += "".join(f"-{key}={leaf[key]}" for key in differ if key in leaf)
    for group in _shared(names):
        for i in group:
            names[i] += "-" + ids[i]
    return names


def _short(config: RunConfig) -> str:
    parts = (config.model, _domain(config.source, config), config.loss, config.scheduler, config.method)
    return "-".join(_slug(p.name if isinstance(p, Component) else p) for p in parts) + f"-s{config.seed}"


def _shared(names: Sequence[str]) -> Iterator[list[int]]:
    """The positions of every name that more than one run has."""
    groups = defaultdict(list)
    for i, name in enumerate(names):
        groups[name].append(i)
    return (group for group in groups.values() if len(group) > 1)


def _leaves(config: RunConfig) -> Iterator[tuple[str, str]]:
    """(dotted key, value as a word) of all that a configuration says; a component's own name under its kind."""
    for key in RunConfig.model_fields:
        value = getattr(config, key)
        if isinstance(value, Component):
            yield key, _slug(value.name)
            yield from ((f"{key}.{option}", _word(inner)) for option, inner in value.options.items())
        elif key in ("source", "target", "evaluate_on"):
            domains = (value,) if isinstance(value, str) else value or ()
            yield key, "+".join(_slug(_domain(domain, config)) for domain in domains) or "none"
        else:
            yield key, _word(value)


def _domain(text: str, config: RunConfig) -> str:
    """`urban`, or `camvid_dusk` when it is a domain of another dataset than the run's."""
    domain = Domain.parse(text)
    return domain.name if domain.dataset == config.dataset.name else f"{domain.dataset}_{domain.name}"


def _word(value: JSON) -> str:
    if isinstance(value, Component):
        return "+".join([_slug(value.name), *(f"{k}.{_word(v)}" for k, v in value.options.items())])
    if isinstance(value, (tuple, list)):
        return "x".join(_word(inner) for inner in value) or "none"
    return _slug(str(value))


def _slug(text: str) -> str:
    """`text` in small letters, digits, `.` and `_`, so that `-`, `+` and `=` are ours to join with."""
    return _OTHER.sub("_", text.lower()) or "_"
