"""A component's name -> its table entry, its options and the thing built; or an error that lists the near names.

Tables hold "module:function" text, and options are read from the function's source (its keyword-only parameters), so
listing, checking and completing a configuration imports no component and therefore no torch.
"""

from __future__ import annotations

import ast
import difflib
import functools
import importlib
import importlib.metadata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from bench.names import source
from bench.names.combined import COMBINED, PARTS, each_part
from bench.names.identities import id_of as id_of
from bench.names.identities import id_reader as id_reader
from bench.names.identities import identity as identity
from bench.names.rules import check_target
from bench.spec import (
    BenchError,
    Component,
    DatasetInfo,
    Domain,
    MethodSpec,
    ModelSpec,
    RunConfig,
)

TABLES = {
    "augment": "bench.augment:AUGMENT",
    "dataset": "bench.datasets:DATASETS",
    "executor": "bench.executors:EXECUTORS",
    "groups": "bench.groups:GROUPS",
    "loss": "bench.losses:LOSSES",
    "method": "bench.methods:METHODS",
    "model": "bench.models:MODELS",
    "optimizer": "bench.optimizers:OPTIMIZERS",
    "sampler": "bench.samplers:SAMPLERS",
    "scheduler": "bench.schedulers:SCHEDULERS",
    "scoring": "bench.evaluate:SCORINGS",
}


@dataclass(frozen=True)
class Option:
    """One keyword-only parameter of a builder; `type` is None when the annotation is not a plain one."""

    type: Any
    default: Any
    required: bool


@dataclass(frozen=True)
class Entry:
    """A row of a table: where the builder is, what people call it, what it says of itself.

    `target`, `networks` and `passes` are a method's, as in `bench.spec.MethodSpec`; '' where the table does not say.
    """

    kind: str
    name: str
    build: str
    label: str
    about: str
    paper: str
    origin: str
    target: str = ""
    networks: str = ""
    passes: str = ""


def near(word: str, words: Iterable[str]) -> str:
    """A remedy that names the nearest valid words, or all of them when none is near."""
    words = sorted(words)
    close = difflib.get_close_matches(word, words, n=3, cutoff=0.55)
    if close:
        return "did you mean " + " or ".join(close) + "?"
    return "choose one of: " + ", ".join(words) if words else ""


def load(path: str) -> Any:
    """The object behind "module:attribute"."""
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)


@functools.cache
def plugins(kind: str) -> dict[str, tuple[str, str]]:
    """What installed packages offer through the entry-point group `bench.<kind>s`: name -> (path, package)."""
    group = TABLES[kind].partition(":")[0]
    found = importlib.metadata.entry_points(group=group)
    return {e.name: (e.value, e.dist.name if e.dist else "") for e in found}


def names(kind: str) -> list[str]:
    """All names of a kind, the package's own and those of plug-ins."""
    return sorted({**load(TABLES[kind]), **plugins(kind)})


@functools.cache
def entry(kind: str, name: str) -> Entry:
    """The row of `name`; raises BenchError with the near names."""
    table: Mapping[str, str | ModelSpec | MethodSpec] = load(TABLES[kind])
    origin, row = "bench", table.get(name)
    if row is None and name in plugins(kind):
        row, origin = plugins(kind)[name]
    if row is None:
        raise BenchError(f"unknown {kind} '{name}'", remedy=near(name, names(kind)), key=kind)
    spec = ModelSpec(row, name, "") if isinstance(row, str) else row
    about = (ast.get_docstring(source.function(spec.build)) or "").partition("\n")[0]
    more = spec[3:] if isinstance(spec, MethodSpec) else ()
    return Entry(kind, name, spec.build, spec.label, about, spec.paper, origin, *more)


@functools.cache
def options(kind: str, name: str) -> dict[str, Option]:
    """The options of a component: the keyword-only parameters of its builder, in source order."""
    args = source.signature(entry(kind, name).build)
    found = {}
    for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        value = None if default is None else ast.literal_eval(default)
        found[arg.arg] = Option(source.plain_type(arg.annotation), value, default is None)
    return found


@functools.cache
def _adapter(kind: str, name: str, option: str) -> TypeAdapter[Any]:
    wanted = options(kind, name)[option].type
    return TypeAdapter(wanted, config=ConfigDict(allow_inf_nan=False))


def resolve(kind: str, component: Component) -> Component:
    """`component` with every option checked, converted and spelled out.

    Raises BenchError (its `key` ends in the option's name) for an unknown name, an unknown option, one of another type
    or a missing one.
    """
    known = options(kind, component.name)
    for key in component.options:
        if key not in known:
            remedy = near(key, known) if known else f"{component.name} has no options"
            raise BenchError(f"unknown option '{key}' of {kind} '{component.name}'", remedy=remedy, key=key)
    full = {}
    for key, option in known.items():
        if key not in component.options:
            if option.required:
                raise BenchError(f"{kind} '{component.name}' needs `{key}`", remedy=f"write `{key}: ...`", key=key)
            full[key] = jsonable(option.default)
            continue
        if component.name == COMBINED and key == PARTS:
            full[key] = each_part(kind, component.options[key], lambda part: resolve(kind, part))
            continue
        try:
            full[key] = jsonable(_adapter(kind, component.name, key).validate_python(component.options[key]))
        except ValidationError as error:
            raise BenchError(
                f"{component.options[key]!r} is no value for `{key}` of {kind} '{component.name}'",
                remedy=error.errors()[0]["msg"].lower(),
                key=key,
            ) from None
    return Component(name=component.name, options=full)


def jsonable(value: Any) -> Any:
    """Tuples as the lists that JSON has."""
    return [jsonable(v) for v in value] if isinstance(value, (tuple, list)) else value


def build(kind: str, component: Component, *args: Any) -> Any:
    """The component itself: its builder called with `args` (what the harness supplies) and its options."""
    full = resolve(kind, component)
    return load(entry(kind, full.name).build)(*args, **full.options)


def dataset_info(dataset: str | Component) -> DatasetInfo:
    """The facts of a dataset; of a Component, with the options that decide its classes or domains.

    They are `INFO` of the module that holds its builder, read without importing it where possible, or what the module's
    `facts(**options)` says.
    """
    part = Component(name=dataset) if isinstance(dataset, str) else dataset
    module = entry("dataset", part.name).build.partition(":")[0]
    if isinstance(dataset, str) or not source.defines(module, "facts"):
        info: DatasetInfo = source.dataset_info(module) or load(module + ":INFO")
        return info
    wanted = {arg.arg for arg in source.signature(module + ":facts").kwonlyargs}
    facts: DatasetInfo = load(module + ":facts")(**{k: v for k, v in part.options.items() if k in wanted})
    return facts


def dataset_of(home: Component, domain: Domain) -> Component:
    """The dataset of `domain`: `home` with its options, or another one with its defaults.

    The choice of a class list (`classes`) holds for every dataset of a run that offers one.
    """
    if domain.dataset == home.name:
        return home
    shared = home.options.get("classes")
    takes = shared is not None and "classes" in options("dataset", domain.dataset)
    return Component(name=domain.dataset, options={"classes": shared} if takes else {})


# ------------------------------------------------------------------ whole configurations

_COMPONENTS = ("model", "dataset", "method", "loss", "optimizer", "groups", "scheduler", "sampler", "scoring")


def resolve_config(config: RunConfig) -> RunConfig:
    """`config` with every component complete and every domain written `dataset/domain` and known to exist.

    Raises BenchError whose `key` is the path inside the run's configuration.
    """
    full: dict[str, Any] = {}
    if config.schedule_steps == config.steps:
        full["schedule_steps"] = None  # what leaving it out means: one run, one spelling
    for kind in _COMPONENTS:
        full[kind] = _keyed(kind, kind, getattr(config, kind))
    full["augment"] = tuple(_keyed("augment", f"augment.{i}", c) for i, c in enumerate(config.augment))
    home = config.dataset.name
    own: Component = full["dataset"]
    full["source"] = _domain(config.source, own, "source")
    full["target"] = None if config.target is None else _domain(config.target, own, "target")
    full["evaluate_on"] = tuple(_domain(d, own, f"evaluate_on.{i}") for i, d in enumerate(config.evaluate_on))
    for i, domain in enumerate(full["evaluate_on"]):
        if domain in full["evaluate_on"][:i]:
            raise BenchError(f"{domain} is listed twice", remedy="keep one of the two", key=f"evaluate_on.{i}")
    classes = dataset_info(own).class_names
    for key in ("source", "target", *(f"evaluate_on.{i}" for i in range(len(config.evaluate_on)))):
        other = full[key] if key in full else full["evaluate_on"][int(key.partition(".")[2])]
        theirs = classes if other is None else _info(own, Domain.parse(other)).class_names
        if theirs != classes:
            raise BenchError(
                f"{other} has {len(theirs)} classes that are not the {len(classes)} of {home}",
                remedy=f"use a domain of {home}, or of a dataset with the same classes",
                key=key,
            )
    resolved = config.model_copy(update=full)
    check_target(resolved)
    return resolved


def sees_of_target(method: Component) -> str:
    """`nothing`, `images` or `labels`: what a resolved method sees of the target; '' where no table says."""
    parts = method.options[PARTS] if method.name == COMBINED else [method]
    seen = [entry("method", Component.model_validate(part).name).target for part in parts]
    return next((what for what in ("", "labels", "images") if what in seen), "nothing")


def _keyed(kind: str, key: str, component: Component) -> Component:
    try:
        return resolve(kind, component)
    except BenchError as error:
        error.key = key if error.key in (kind, "") else f"{key}.{error.key}"
        raise


def _info(home: Component, domain: Domain) -> DatasetInfo:
    other = dataset_of(home, domain)
    return dataset_info(other if other is home else resolve("dataset", other))


def _domain(text: str, home: Component, key: str) -> str:
    domain = Domain.parse(text, home.name)
    try:
        known = _info(home, domain).domains
    except BenchError as error:
        error.key = key  # it says `dataset`, but the name was written here
        raise
    if domain.name not in known:
        raise BenchError(f"{domain.dataset} has no domain '{domain.name}'", remedy=near(domain.name, known), key=key)
    return str(domain)
