"""`--set key=value` texts and the sections of a file -> the sections with those keys replaced everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench.names import near
from bench.spec import JSON, BenchError, CostRequest
from bench.sweep.composer import parse
from bench.sweep.scalars import scalar
from bench.sweep.sections import FIELDS, Axis, Point, Reader, Sections, Setting, key_fault

LISTS = ("seeds", "evaluate_on", "augment")
"""Keys whose own value is a list, even where it has one item or none."""

PAIRS = ("resize_px", "crop_px")
"""Keys whose own value may be two numbers; for all but these and LISTS `a,b` is an axis of two."""

_COST = tuple(f"cost.{key}" for key in CostRequest.model_fields)


def apply(sections: Sections, overrides: Sequence[str], reader: Reader) -> Sections:
    """`sections` under `overrides`; faults go to `reader.faults`, named `--set key`."""
    seen: set[str] = set()
    for text in overrides:
        key, equals, written = text.partition("=")
        key = key.strip()
        try:
            if not equals:
                raise BenchError(f"'{text}' has no `=`", remedy="write --set key=value")
            if key in seen:
                raise BenchError("given twice", remedy="keep one")
            seen.add(key)
            sections = _apply(sections, key, _value(key, written.strip()), reader)
        except BenchError as error:
            reader.fault(("--set", key), error.problem, error.remedy)
    return sections


def option_values(settings: Sequence[str]) -> dict[str, JSON]:
    """`key=value` texts -> a component's options, values spelled as in a sweep file.  Raises BenchError."""
    found: dict[str, JSON] = {}
    for text in settings:
        key, equals, written = text.partition("=")
        if not equals:
            raise BenchError(f"'{text}' has no `=`", remedy="write --set key=value", key="--set")
        found[key.strip()] = _value(key, written.strip())
    return found


def _value(key: str, text: str) -> JSON:
    if text[:1] in ("[", "{", '"', "'"):
        return parse(text).plain()
    parts = [scalar(part.strip()) for part in text.split(",")]
    if key in LISTS:
        return [] if parts == [None] else parts
    return parts if len(parts) > 1 else parts[0]


def _apply(sections: Sections, key: str, value: JSON, reader: Reader) -> Sections:
    where = ("--set", key)
    if key == "seeds":
        return replace(sections, seeds=reader.seeds(value, where))
    if key == "cost":
        return replace(sections, cost=reader.cost(value, where))
    if key in _COST:
        known = sections.cost.model_dump() if sections.cost else {}
        name = key.partition(".")[2]
        return replace(sections, cost=reader.cost({**known, name: value}, ("--set", "cost")))
    if fault := key_fault(key):
        problem, remedy = fault
        raise BenchError(problem, remedy=remedy if key.partition(".")[0] in FIELDS else near(key, _choices()))
    values = value if isinstance(value, list) and key not in (*LISTS, *PAIRS) else [value]
    if not values:
        raise BenchError("an axis without values makes no runs", remedy="give it values")
    return _replace_key(sections, key, tuple((Setting(key, v, where),) for v in values))


def _choices() -> tuple[str, ...]:
    return (*FIELDS, "seeds", "cost", *_COST)


def _replace_key(sections: Sections, key: str, axis: Axis) -> Sections:
    """`axis` in the place of the grid's own of that key; elsewhere the key goes, so that no cell keeps an old value."""

    def without(point: Point) -> Point:
        return tuple(setting for setting in point if setting.key != key)

    axes: list[Axis] = []
    placed = False
    for old in sections.axes:
        if all(not without(point) for point in old):
            axes.append(axis)
            placed = True
        else:
            axes.append(tuple(map(without, old)))
    return replace(
        sections,
        axes=tuple(axes if placed else [*axes, axis]),
        include=tuple(map(without, sections.include)),
        extra=(*sections.extra, axis),
    )
