"""A cell -> its resolved configuration, or every fault in it, keyed by the path in the run's configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from bench import names
from bench.names import combined
from bench.spec import JSON, BenchError, Component, DatasetInfo, Domain, RunConfig
from bench.sweep.cells import Cell, flat
from bench.sweep.sections import COMPONENTS, Point
from bench.sweep.wording import coerced, wording

_DOMAINS = ("source", "target", "evaluate_on")
_ENOUGH = 20

_TOGETHER = ("dataset", *_DOMAINS, "steps", "schedule_steps")
"""Fields whose values are right or wrong only in the light of each other, the schema's own rules apart."""

_ALONE = tuple(key for key in RunConfig.model_fields if key not in _TOGETHER)


class Checker:
    """`check` for the cells of one sweep, where the same few settings come back in thousands of cells.

    What settings came to in a cell that was right is remembered; a cell all of whose settings are known is put
    together from that.  The schema and the rules between fields still see every configuration.
    """

    def __init__(self) -> None:
        self.alone: dict[str, dict[Point | None, JSON]] = {key: {} for key in _ALONE}
        self.together: dict[tuple[Point | None, ...], dict[str, JSON]] = {}
        self.right: RunConfig | None = None

    def __call__(self, cell: Cell) -> tuple[RunConfig | None, list[BenchError]]:
        """(configuration, []) or (None, faults)."""
        settings = cell.parts.get
        together = tuple(map(settings, _TOGETHER))
        if self.right is not None:
            try:
                values = {key: known[settings(key)] for key, known in self.alone.items()} | self.together[together]
                RunConfig.model_validate(values)
                made = self.right.model_copy(update=values)  # made of the same objects, not of equal ones
                names.check_together(made)
                return made, []
            except (KeyError, ValidationError, BenchError):
                pass
        config, faults = check(cell)
        if config is not None:
            self.right = config
            self.together[together] = {key: getattr(config, key) for key in _TOGETHER}
            for key, known in self.alone.items():
                known[settings(key)] = getattr(config, key)
        return config, faults


def check(cell: Cell) -> tuple[RunConfig | None, list[BenchError]]:
    """(configuration, []) or (None, faults)."""
    raw = _with_targets(cell.raw)
    try:
        config = RunConfig.model_validate({key: _plain(key, value) for key, value in raw.items()})
        full = names.resolve_config(config)
    except ValidationError:
        return None, list(_faults(raw))
    except BenchError as error:
        return None, list(_faults(raw)) or [error]
    taken: Any = {k: v[combined.PARTS] if _several(k, raw.get(k)) else v for k, v in flat(full).items()}
    faults = [BenchError(problem, remedy=remedy, key=key) for key, problem, remedy in coerced(raw, taken)]
    return (None, faults) if faults else (full, [])


def _with_targets(raw: dict[str, JSON]) -> dict[str, JSON]:
    """`evaluate_on` left out means every domain of the dataset."""
    if raw.get("evaluate_on") is not None:
        return raw
    dataset = raw.get("dataset")
    try:
        part = names.resolve("dataset", Component.model_validate(dataset))
        domains = names.dataset_info(part).domains
    except (ValidationError, BenchError):
        domains = (str(dataset),)  # anything: what is wrong with the dataset is a fault of its own
    return {**raw, "evaluate_on": list(domains)}


def _plain(key: str, value: JSON) -> JSON:
    """Components in the spelling that leaves no room for doubt, so that an option may be called `options`."""
    if key == "augment" and isinstance(value, list):
        return [_spelled(item) for item in value]
    if _several(key, value):
        return combined.from_list([_plain(key, item) for item in value])
    return _spelled(value) if key in COMPONENTS else value


def _spelled(value: JSON) -> JSON:
    if isinstance(value, dict):
        return {"name": value.get("name"), "options": {k: v for k, v in value.items() if k != "name"}}
    return value


def _several(key: str, value: JSON) -> bool:
    return key in combined.KINDS and isinstance(value, list) and len(value) > 1


def _faults(raw: dict[str, JSON]) -> Iterator[BenchError]:
    """Everything that is wrong, found part by part: the slow way, walked only when something is."""
    found = []
    try:
        RunConfig.model_validate({key: _plain(key, value) for key, value in raw.items()})
    except ValidationError as error:
        for fault in error.errors():
            problem, remedy = wording(fault)
            found.append(BenchError(problem, remedy=remedy, key=_key(fault, raw)))
    for kind in COMPONENTS:
        found += _component(kind, kind, raw.get(kind))
    for i, item in enumerate(raw["augment"] if isinstance(raw.get("augment"), list) else ()):
        found += _component("augment", f"augment.{i}", item)
    yield from (*found, *_domains(raw))


def _key(fault: Any, raw: dict[str, JSON]) -> str:
    """The path of one of pydantic's faults; a rule between keys belongs to the last that it names and the file has."""
    loc = list(map(str, fault["loc"]))
    if loc[-1:] == ["name"] and fault["input"] is None:
        loc = loc[:-1]
    named = [key for key in re.findall(r"`(\w+)", fault["msg"]) if raw.get(key) is not None]
    return ".".join(loc) or (named or ["steps"])[-1]


def _component(kind: str, key: str, value: JSON) -> Iterator[BenchError]:
    """The first faults of one component; each faulty option is put aside to find the next."""
    if _several(kind, value):
        try:
            names.resolve(kind, Component.model_validate(_plain(kind, value)))
        except BenchError as error:
            yield BenchError(error.problem, remedy=error.remedy, key=f"{key}.{error.key}")
        return
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return
    rest = {k: v for k, v in value.items() if k != "name"}
    for _ in range(_ENOUGH):
        try:
            names.resolve(kind, Component.model_validate({"name": value["name"], "options": rest}))
            return
        except BenchError as error:
            option = error.key
            yield BenchError(error.problem, remedy=error.remedy, key=f"{key}.{option}" if option in rest else key)
            if option not in rest or value["name"] == combined.COMBINED:
                return
            del rest[option]


def _home(config: RunConfig) -> DatasetInfo:
    return names.dataset_info(names.resolve("dataset", config.dataset))


def _domains(raw: dict[str, JSON]) -> Iterator[BenchError]:
    """The first faults of domains, one after the other: a faulty one is put aside to find the next."""
    asked = {key: _plain(key, raw[key]) for key in ("dataset", *_DOMAINS) if key in raw}
    try:
        config = RunConfig.model_validate({"model": min(names.names("model")), "steps": _ENOUGH, **asked})
        good = str(Domain(config.dataset.name, min(_home(config).domains)))
    except (ValidationError, BenchError):
        return  # told already
    listed = dict(enumerate(config.evaluate_on))
    for _ in range(_ENOUGH):
        try:
            names.resolve_config(config.model_copy(update={"evaluate_on": tuple(listed.values()) or (good,)}))
            return
        except BenchError as error:
            head, _dot, index = error.key.partition(".")
            if head not in _DOMAINS:
                return
            if index:
                place = list(listed)[int(index)]
                del listed[place]
                error.key = f"{head}.{place}"
            else:
                config = config.model_copy(update={head: good})
            yield error
