"""A document -> its sections, each value a `Setting` that knows where it is written; all faults of shape at once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from bench.names import near, resolve
from bench.spec import JSON, BenchError, Component, CostRequest, RunConfig, printable
from bench.sweep.document import Document, Where
from bench.sweep.wording import spoken, square, wording

KEYS = ("name", "about", "base", "grid", "zip", "include", "exclude", "seeds", "controls", "cost", "trackers")
FIELDS = tuple(key for key in RunConfig.model_fields if key != "seed")
COMPONENTS = tuple(key for key in FIELDS if RunConfig.model_fields[key].annotation is Component)
SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, eq=False)
class Setting:
    """`key`, a field of RunConfig or `field.option`, takes `value`, written at `where`; equal only to itself."""

    key: str
    value: JSON
    where: Where

    @cached_property
    def head(self) -> str:
        """The field that it is about."""
        return self.key.partition(".")[0]


Point = tuple[Setting, ...]
"""What one point of an axis, or one partial configuration, sets."""

Axis = tuple[Point, ...]
"""The points that a grid goes through; those of a `zip` set several keys each."""


@dataclass(frozen=True)
class Sections:
    """A sweep file, read: `axes` are the grid's in file order, then the zip; `extra` are those of `--set`.

    `controls` asks for the reference rows of what adapts.  `product` is False for a file whose cells are all listed
    under `include`.
    """

    name: str
    about: str
    base: Point
    axes: tuple[Axis, ...]
    include: tuple[Point, ...]
    exclude: tuple[Point, ...]
    product: bool
    seeds: Axis
    controls: bool
    cost: CostRequest | None
    trackers: tuple[Component, ...]
    extra: tuple[Axis, ...] = ()


def key_fault(key: str) -> tuple[str, str] | None:
    """(problem, remedy) when `key` is no field of a configuration and no option of a component."""
    head, dot, option = key.partition(".")
    if head == "seed":
        return "a seed is no part of a configuration", "write `seeds: [0, 1]` at the top level"
    if head not in FIELDS:
        top = "write it at the top level of the file" if head in KEYS else near(head, FIELDS)
        return f"unknown key '{head}'", top
    if dot and head not in COMPONENTS:
        return f"`{head}` has no options", f"write the whole value of `{head}`"
    if dot and (not option or "." in option):
        return f"`{key}` names no option", f"write `{head}.option`"
    return None


def cost_request(value: JSON) -> CostRequest | None:
    """What `cost:` asks for; raises pydantic's ValidationError."""
    if isinstance(value, bool):
        return CostRequest() if value else None
    if isinstance(value, dict):
        value = {key: square(v) if key == "size" else v for key, v in value.items()}
    return CostRequest.model_validate(value)


class TooMany(Exception):
    """Enough faults to mend: thousands more would take seconds to word and nobody to read."""


MAX_FAULTS = 100
SEEDS: list[JSON] = [0]


class Reader:
    """Reads one document; what is wrong lands in `faults`, the rest in the sections.

    Raises TooMany with the hundredth fault.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self.found: dict[tuple[str, str], BenchError] = {}

    @property
    def faults(self) -> list[BenchError]:
        return list(self.found.values())

    def sections(self) -> Sections:
        top = self.document.root.plain()
        for key in top:
            if key not in KEYS:
                where = "write it under `base`" if key.partition(".")[0] in FIELDS else near(key, KEYS)
                self.fault((key,), f"unknown key '{key}'", where)
        return Sections(
            name=self.name(top),
            about=self.about(top),
            base=self.settings(("base",), top.get("base", {})),
            axes=(*self.grid(top), *self.zip(top)),
            include=tuple(self.entries("include", top)),
            exclude=tuple(self.entries("exclude", top)),
            product="grid" in top or "zip" in top or "include" not in top,
            seeds=self.seeds(top.get("seeds", SEEDS)),
            controls=self.controls(top.get("controls", "none")),
            cost=self.cost(top.get("cost", True)),
            trackers=tuple(self.trackers(top.get("trackers", []))),
        )

    def fault(self, where: Where, problem: str, remedy: str = "") -> None:
        error = self.document.error(where, problem, remedy)
        self.found.setdefault((error.key, problem), error)
        if len(self.found) >= MAX_FAULTS:
            raise TooMany

    def name(self, top: dict[str, Any]) -> str:
        name = top.get("name")
        if "name" not in top:
            self.fault(("name",), "a sweep needs a `name`", f"write `name: {self.document.file.stem}`")
        elif not isinstance(name, str) or not SLUG.fullmatch(name):
            rule = "at most 64 small letters, digits and . _ -, beginning with a letter or digit"
            self.fault(("name",), f"{spoken(name)} is no name for a sweep", f"write {rule}")
        return str(name)

    def about(self, top: dict[str, Any]) -> str:
        about = top.get("about", self.document.comment)
        if not isinstance(about, str):
            self.fault(("about",), f"{spoken(about)} is not text", "write a sentence")
        return printable(" ".join(str(about).split()))

    def settings(self, where: Where, value: JSON) -> Point:
        """The settings of one mapping of keys to values; unknown keys are faults and left out."""
        if not isinstance(value, dict):
            self.fault(where, f"{spoken(value)} is not a mapping", "write `key: value` pairs, or leave the section out")
            return ()
        found = []
        for key, inner in value.items():
            if fault := key_fault(key):
                self.fault((*where, key), *fault)
            else:
                found.append(Setting(key, inner, (*where, key)))
        return tuple(found)

    def lists(self, section: str, top: dict[str, Any]) -> list[Setting]:
        """The axes of `grid` or `zip`: every value a list with something in it."""
        good = []
        for axis in self.settings((section,), top.get(section, {})):
            if not isinstance(axis.value, list):
                self.fault(axis.where, f"{spoken(axis.value)} is not a list", "write the values as `[one, two]`")
            elif not axis.value:
                self.fault(axis.where, "an axis without values makes no runs", "give it values, or remove it")
            else:
                good.append(axis)
        return good

    def grid(self, top: dict[str, Any]) -> Iterable[Axis]:
        for axis in self.lists("grid", top):
            yield tuple((Setting(axis.key, v, (*axis.where, i)),) for i, v in enumerate(axis.value))

    def zip(self, top: dict[str, Any]) -> Iterable[Axis]:
        axes = self.lists("zip", top)
        for axis in axes:
            if axis.key in (top.get("grid") or {}):
                self.fault(axis.where, f"`{axis.key}` is an axis of `grid` too", "keep one of them")
            if len(axis.value) != len(axes[0].value):
                problem = f"{len(axis.value)} values, but `{axes[0].key}` has {len(axes[0].value)}"
                self.fault(axis.where, problem, "give zipped lists one length")
        columns = ([Setting(axis.key, v, (*axis.where, i)) for i, v in enumerate(axis.value)] for axis in axes)
        points = tuple(zip(*columns, strict=False))
        if points:
            yield points

    def entries(self, section: str, top: dict[str, Any]) -> Iterable[Point]:
        """The partial configurations of `include` or `exclude`."""
        listed = top.get(section, [])
        if not isinstance(listed, list):
            self.fault((section,), f"{spoken(listed)} is not a list", "write a list of `{key: value}`")
            return
        for i, entry in enumerate(listed):
            if entry == {}:
                self.fault((section, i), "an empty entry", "write `{key: value}`")
            seed: Point = ()
            if section == "exclude" and isinstance(entry, dict) and "seed" in entry:
                seed = (Setting("seed", entry["seed"], (section, i, "seed")),)
                entry = {key: value for key, value in entry.items() if key != "seed"}
            if point := (*self.settings((section, i), entry), *seed):
                yield point

    def seeds(self, listed: JSON, where: Where = ("seeds",)) -> Axis:
        """The axis of `seeds`, which varies fastest; that of SEEDS when there is none that could be read."""
        if not isinstance(listed, list) or not listed:
            self.fault(where, f"{spoken(listed)} is no list of seeds", "write `seeds: [0, 1]`")
            return self.seeds(SEEDS)
        axis = []
        for i, seed in enumerate(listed):
            at = where if where[0] == "--set" else (*where, i)
            if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**32:
                self.fault(at, f"{spoken(seed)} is no seed", "write whole numbers from 0 to 4294967295")
            elif seed in listed[:i]:
                self.fault(at, f"seed {seed} a second time", "keep one")
            else:
                axis.append((Setting("seed", seed, at),))
        return tuple(axis) or self.seeds(SEEDS)

    def controls(self, value: JSON) -> bool:
        """Whether reference rows are added to what adapts."""
        if value not in ("auto", "none"):
            self.fault(("controls",), f"{spoken(value)} adds nothing", "write `controls: auto`, or leave it out")
        return bool(value == "auto")

    def trackers(self, listed: JSON) -> Iterable[Component]:
        """What watches the runs, with its options."""
        if not isinstance(listed, list):
            self.fault(("trackers",), f"{spoken(listed)} is not a list", "write `trackers: [tensorboard]`")
            return
        for i, value in enumerate(listed):
            plain = {"name": value} if isinstance(value, str) else value
            if not isinstance(plain, dict) or not isinstance(plain.get("name"), str):
                self.fault(("trackers", i), f"{spoken(value)} is no tracker", "write its name, or `{name: wandb, ...}`")
                continue
            if plain["name"] in [one.get("name") if isinstance(one, dict) else one for one in listed[:i]]:
                self.fault(("trackers", i), f"'{plain['name']}' a second time", "keep one")
                continue
            try:
                options = {key: option for key, option in plain.items() if key != "name"}
                yield resolve("tracker", Component(name=plain["name"], options=options))
            except BenchError as error:
                key = (error.key,) if error.key in plain else ()
                self.fault(("trackers", i, *key), error.problem, error.remedy)

    def cost(self, value: JSON, where: Where = ("cost",)) -> CostRequest | None:
        """What to measure of each model, or None for `cost: false`."""
        try:
            return cost_request(value)
        except ValidationError as error:
            for fault in error.errors():
                if fault["type"] == "extra_forbidden":
                    key = str(fault["loc"][-1])
                    problem, remedy = f"unknown key '{key}'", near(key, CostRequest.model_fields)
                elif not fault["loc"]:
                    problem, remedy = f"{spoken(value)} is no request", "write `cost: false` or `cost: {size: 512}`"
                else:
                    problem, remedy = wording(fault)
                self.fault((*where, *fault["loc"]), problem, remedy)
            return None
