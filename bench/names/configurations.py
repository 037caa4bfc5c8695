"""A run's configuration -> the same, every component complete and every domain known; or an error that says where."""

from __future__ import annotations

from typing import Any

from bench import names
from bench.names.combined import COMBINED, PARTS
from bench.names.recipe_rules import check_recipe
from bench.names.rules import check_target
from bench.spec import BenchError, Component, DatasetInfo, Domain, RunConfig

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
    classes = names.dataset_info(own).class_names
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
    check_together(resolved)
    return resolved


def check_together(config: RunConfig) -> None:
    """Raises BenchError where fields of a resolved `config` that are right by themselves do not go together."""
    check_target(config)
    check_recipe(config)


def sees_of_target(method: Component) -> str:
    """`nothing`, `images` or `labels`: what a resolved method sees of the target; '' where no table says."""
    parts = method.options[PARTS] if method.name == COMBINED else [method]
    seen = [names.entry("method", Component.model_validate(part).name).target for part in parts]
    return next((what for what in ("", "labels", "images") if what in seen), "nothing")


def _keyed(kind: str, key: str, component: Component) -> Component:
    try:
        return names.resolve(kind, component)
    except BenchError as error:
        error.key = key if error.key in (kind, "") else f"{key}.{error.key}"
        raise


def _info(home: Component, domain: Domain) -> DatasetInfo:
    other = names.dataset_of(home, domain)
    return names.dataset_info(other if other is home else names.resolve("dataset", other))


def _domain(text: str, home: Component, key: str) -> str:
    domain = Domain.parse(text, home.name)
    try:
        known = _info(home, domain).domains
    except BenchError as error:
        error.key = key  # it says `dataset`, but the name was written here
        raise
    if domain.name not in known:
        remedy = names.near(domain.name, known)
        raise BenchError(f"{domain.dataset} has no domain '{domain.name}'", remedy=remedy, key=key)
    return str(domain)
