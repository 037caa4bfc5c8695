"""Resolved configurations -> the names people read: pidnet_s-urban-ohem-poly-source_only-s0."""

from __future__ import annotations

import functools
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence

from bench.names.combined import COMBINED, PARTS, title
from bench.spec import JSON, Component, Domain, RunConfig

_OTHER = re.compile(r"[^a-z0-9._]+")
_FIELDS = sorted(RunConfig.model_fields)
_DOMAINS = ("source", "target", "evaluate_on")


def readable(configs: Sequence[RunConfig], ids: Sequence[str]) -> list[str]:
    """One name each, all different.

    Runs that would share a name carry the options in which they differ, `-lr=0.001`, sorted by key; what is `none` goes
    without saying.  Runs that still do (values that read alike) carry their id.
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
    told: list[list[tuple[str, str]]] = [[] for _ in configs]
    for field in _FIELDS:  # a domain reads otherwise under another dataset
        objects = [(id(getattr(config, field)), config.dataset.name) for config in configs]
        having = {which: configs[n] for n, which in enumerate(objects)}
        if len(having) == 1:
            continue
        leaves = {which: known.get((field, which)) or _leaves(config, field) for which, config in having.items()}
        known |= {(field, which): leaf for which, leaf in leaves.items()}
        differ = _telling(field, leaves.values())
        for n, which in enumerate(objects):
            told[n] += [(key, leaves[which][key]) for key in differ if leaves[which].get(key, "none") != "none"]
    short = _shortened({key for pairs in told for key, _ in pairs})
    return ["".join(f"-{short[key]}={word}" for key, word in pairs) for pairs in told]


def _telling(field: str, leaves: Collection[dict[str, str]]) -> list[str]:
    """The keys to tell: the component's name where it differs, an option where it does for one and the same name."""
    found = {field} if len({leaf[field] for leaf in leaves}) > 1 else set()
    first: dict[str, dict[str, str]] = {}
    for leaf in leaves:
        twin = first.setdefault(leaf[field], leaf)
        found |= {key for key in leaf.keys() | twin.keys() if leaf.get(key) != twin.get(key)}
    return sorted(found)


def _shortened(keys: Collection[str]) -> dict[str, str]:
    """`optimizer.lr` -> `lr`, where no other key ends so and no field is called so."""
    ends = Counter(key.rpartition(".")[2] for key in keys)
    ends.update(_FIELDS)
    return {key: end if ends[end := key.rpartition(".")[2]] == 1 else key for key in keys}


def _leaves(config: RunConfig, field: str) -> dict[str, str]:
    """Dotted key -> value as a word, of all that a field says; a component's own name under its kind."""
    value = getattr(config, field)
    if isinstance(value, Component):
        parts = value.options[PARTS] if value.name == COMBINED else []
        options = {f"{field}.{key}": _word(inner) for key, inner in value.options.items() if inner is not parts}
        for part in parts:
            options |= {f"{field}.{part['name']}.{k}": _word(inner) for k, inner in part.items() if k != "name"}
        return {field: _title(value), **options}
    if field == "augment":
        each = {f"{field}.{_slug(part.name)}.{k}": _word(inner) for part in value for k, inner in part.options.items()}
        return {field: "+".join(_slug(part.name) for part in value) or "none", **each}
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
    if isinstance(value, (tuple, list)):
        return "x".join(_word(inner) for inner in value) or "none"
    return _slug(str(value))


@functools.lru_cache(maxsize=4096)
def _slug(text: str) -> str:
    """`text` in small letters, digits, `.` and `_`, so that `-`, `+` and `=` are ours to join with."""
    return _OTHER.sub("_", text.lower()) or "_"
