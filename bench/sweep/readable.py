"""Resolved configurations -> the names people read: pidnet_s-urban-ohem-poly-source_only-s0."""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from bench.spec import JSON, Component, Domain, RunConfig

_OTHER = re.compile(r"[^a-z0-9._]+")
_DOMAINS = ("source", "target", "evaluate_on")


def readable(configs: Sequence[RunConfig], ids: Sequence[str]) -> list[str]:
    """One name each, all different.

    Runs that would share a name carry the options in which they differ, `-optimizer.lr=0.001`, sorted by key; runs
    that still do (values that read alike) carry their id.
    """
    names = [_short(config) for config in configs]
    for group in _shared(names):
        fields = _varying([configs[i] for i in group])
        leaves = [dict(_leaves(configs[i], fields)) for i in group]
        keys = sorted({key for leaf in leaves for key in leaf})
        differ = [key for key in keys if len({leaf.get(key) for leaf in leaves}) > 1]
        for i, leaf in zip(group, leaves, strict=True):
            names[i] += "".join(f"-{key}={leaf[key]}" for key in differ if key in leaf)
    for group in _shared(names):
        for i in group:
            names[i] += "-" + ids[i]
    return names


def _short(config: RunConfig) -> str:
    parts = (config.model, _domain(config.source, config.dataset.name), config.loss, config.scheduler, config.method)
    return "-".join(_slug(p.name if isinstance(p, Component) else p) for p in parts) + f"-s{config.seed}"


def _shared(names: Sequence[str]) -> Iterator[list[int]]:
    """The positions of every name that more than one run has."""
    groups = defaultdict(list)
    for i, name in enumerate(names):
        groups[name].append(i)
    return (group for group in groups.values() if len(group) > 1)


def _varying(configs: Sequence[RunConfig]) -> list[str]:
    """The fields that are not one object in all of `configs`; a domain reads otherwise under another dataset too."""
    found = [key for key in RunConfig.model_fields if len({id(config.__dict__[key]) for config in configs}) > 1]
    return [*found, *_DOMAINS] if "dataset" in found else found


def _leaves(config: RunConfig, fields: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(dotted key, value as a word) of all that `fields` say; a component's own name under its kind."""
    for key in fields:
        value = getattr(config, key)
        if isinstance(value, Component):
            yield key, _slug(value.name)
            yield from ((f"{key}.{option}", _word(inner)) for option, inner in value.options.items())
        elif key in _DOMAINS:
            domains = (value,) if isinstance(value, str) else value or ()
            yield key, "+".join(_slug(_domain(domain, config.dataset.name)) for domain in domains) or "none"
        else:
            yield key, _word(value)


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
