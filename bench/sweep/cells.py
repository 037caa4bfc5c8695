"""Sections -> cells: what each run sets, in order, and for every key where that was written."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from bench.names import combined
from bench.spec import JSON, Component, RunConfig
from bench.sweep.document import Where
from bench.sweep.sections import COMPONENTS, Axis, Point, Sections, Setting
from bench.sweep.wording import square

MAX_RUNS = 10_000
MAX_VALUES = 3_000_000
"""Over all runs: what bounds the work on a file whose few lines are large and whose grid is too."""

_SIZES = ("resize_px", "crop_px")


@dataclass(frozen=True)
class Cell:
    """One run as written: `point` is what its axes, or its `include` entry, set over the base.

    `parts` holds for every field the settings that decide it: cells with the same ones have the same field.
    """

    point: Point
    base: Point
    parts: dict[str, Point]
    included: bool = False

    @property
    def raw(self) -> dict[str, JSON]:
        """The configuration as written."""
        return self._assigned[0]

    @property
    def origins(self) -> dict[str, Where]:
        """Where each key was written."""
        return self._assigned[1]

    @cached_property
    def _assigned(self) -> tuple[dict[str, JSON], dict[str, Where]]:
        return _assign((*self.base, *self.point))

    def written(self, key: str) -> Where:
        """Where `key`, a path in the run's configuration, was written; under `base` when it was not."""
        parts = [int(part) if part.isdigit() else part for part in key.split(".")]
        for n in range(len(parts), 0, -1):
            if (found := self.origins.get(".".join(map(str, parts[:n])))) is not None:
                return (*found, *parts[n:])
        return ("base", *parts)


def place(point: Point) -> str:
    """Where a cell comes from, for a message: `grid.loss.1 seeds.0`."""
    return " ".join(".".join(map(str, setting.where)) for setting in point)


def count(sections: Sections) -> int:
    """How many cells there are, from the lengths alone: nothing is built."""
    product = math.prod(map(len, sections.axes)) if sections.product else 0
    included = len(sections.include) * math.prod(map(len, sections.extra))
    return (product + included) * len(sections.seeds)


def values(sections: Sections) -> int:
    """How many values all runs hold together at most, `exclude` entries counted with each run."""
    widest = [max((_size(point) for point in axis), default=0) for axis in (*sections.axes, sections.include)]
    return count(sections) * (_size(sections.base) + sum(widest) + sum(map(_size, sections.exclude)))


def _size(value: object) -> int:
    if isinstance(value, Setting):
        return _size(value.value)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return 1 + sum(map(_size, inner))


def cells(sections: Sections) -> Iterator[Cell]:
    """All cells: the product, first axis slowest and seeds fastest, then the `include` entries."""
    if sections.product:
        yield from _crossed(sections.base, (*sections.axes, sections.seeds))
    for entry in sections.include:
        yield from _crossed(sections.base, ((entry,), *sections.extra, sections.seeds), included=True)


def _crossed(base: Point, axes: tuple[Axis, ...], included: bool = False) -> Iterator[Cell]:
    own = _parts({}, base)
    for points in itertools.product(*axes):
        point = tuple(itertools.chain.from_iterable(points))
        yield Cell(point, base, _parts(own, point), included)


def _parts(under: dict[str, Point], point: Point) -> dict[str, Point]:
    parts = under.copy()
    for setting in point:
        parts[setting.head] = (*parts.get(setting.head, ()), setting)
    return parts


def _assign(settings: Point) -> tuple[dict[str, JSON], dict[str, Where]]:
    """(configuration as written, origin of each key): whole fields first, then single options, each in order."""
    raw: dict[str, JSON] = {}
    origins: dict[str, Where] = {}
    for setting in sorted(settings, key=_is_option):
        head, dot, option = setting.key.partition(".")
        if dot:
            component = raw.setdefault(head, _default(head))
            if isinstance(component, dict):
                component[option] = setting.value
        else:
            raw[head] = normal(head, setting.value)
        origins[setting.key] = setting.where
    return raw, origins


def _is_option(setting: Setting) -> bool:
    return "." in setting.key


def _default(head: str) -> JSON:
    default = RunConfig.model_fields[head].default
    return {"name": default.name} if isinstance(default, Component) else {}


def normal(head: str, value: JSON) -> JSON:
    """One spelling of what may be written in two: `ohem` and `[ohem]` are `{name: ohem}`, 96 is [96, 96]."""
    if head in combined.KINDS and isinstance(value, list) and len(value) == 1:
        return _component(value[0])
    if head in COMPONENTS:
        return _component(value)
    if head == "augment" and isinstance(value, list):
        return [_component(item) for item in value]
    return square(value) if head in _SIZES else value


def _component(value: JSON) -> JSON:
    return {"name": value} if isinstance(value, str) else dict(value) if isinstance(value, dict) else value


def flat(config: RunConfig) -> dict[str, JSON]:
    """A configuration in plain values, components as `{name: ..., option: ...}`."""
    return {key: _plain(getattr(config, key)) for key in RunConfig.model_fields}


def _plain(value: JSON) -> JSON:
    if isinstance(value, Component):
        return {"name": value.name, **value.options}
    return [_plain(inner) for inner in value] if isinstance(value, tuple) else value
