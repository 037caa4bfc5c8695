"""Values of a record -> the words and figures that stand in a table; a value that is not there becomes ''."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, TypeVar

from bench import names
from bench.spec import BenchError, Component, Domain, Size
from bench.store import canonical

T = TypeVar("T")
ORIGINS: dict[str, str] = {"local": "this machine", "reference": "reference"}
STATES: dict[str, str] = {"oom": "out of memory", "data": "data fault"}
"""What became of a run, where the word of its record is none for a table."""


def key_of(value: Any) -> str:
    """One text per JSON value, for sorting and grouping."""
    return canonical(value)


def distinct(values: Iterable[T]) -> list[T]:
    """The values in order of first appearance, each once."""
    return list(dict.fromkeys(values))


def grouped(items: Iterable[T], key: Callable[[T], Hashable]) -> list[list[T]]:
    """Items of equal key together, in order of first appearance."""
    found: dict[Hashable, list[T]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return list(found.values())


# ------------------------------------------------------------------ figures


def percent(value: float | None) -> str:
    """A share in [0, 1] as a percentage with one decimal."""
    return "" if value is None else f"{100 * value:.1f}"


def passes(seen: int, images: int) -> str:
    """How often `images` images were seen: `2`, `0.6`; '' where that says nothing.  Less than once is never 1."""
    if not 0 <= seen < images * 10**9:
        return ""
    return f"{min(seen / images, 0.999) if seen < images else seen / images:.3g}"


def giga(count: int | None) -> str:
    """A count in units of 10^9, three decimals, or three digits for what is too small for them."""
    if count is None or not 0 <= count < 10**30:
        return ""
    value = count / 1e9
    return f"{value:,.3f}" if count >= 10**8 or not count else f"{value:.3g}"


def milliseconds(value: float | None, like: float | None = None) -> str:
    """A time with four digits that count, or as many decimals as `like` has so: `3044`, `61.73`, `0.1423`."""
    if value is None or not 0 <= value < 1e12:
        return ""
    scale = value if like is None else like
    decimals = 3 if scale <= 0 else min(6, max(0, 3 - math.floor(math.log10(scale))))
    return f"{value:.{decimals}f}"


def spread(values: Iterable[int]) -> str:
    """`7`, or `6 to 7` where the values differ."""
    ordered = sorted(set(values))
    return "" if not ordered else " to ".join(f"{v:,}" for v in distinct((ordered[0], ordered[-1])))


def number(value: Any) -> str:
    """A JSON value as a person would write it."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return "(" + ", ".join(map(number, value)) + ")"
    if isinstance(value, Mapping):
        return ", ".join(f"{k}: {number(v)}" for k, v in sorted(value.items()))
    return str(value)


def pixels(size: Size | None) -> str:
    """(height, width) as the field writes it."""
    return "" if size is None else f"({size[0]}, {size[1]})"


# ------------------------------------------------------------------ names


def state(word: str, reason: str = "") -> str:
    """`out of memory: batch 6 at (96, 96)`."""
    told = STATES.get(word, word)
    return f"{told}: {reason}" if reason else told


def component(part: Component, shown: Iterable[str] | None = None) -> str:
    """`sgd(lr: 0.01, momentum: 0.9)`; `shown` limits which options stand there."""
    wanted = part.options if shown is None else shown
    options = ", ".join(f"{k}: {number(part.options[k])}" for k in sorted(wanted) if k in part.options)
    return f"{part.name}({options})" if options else part.name


def model(part: Component, shown: Iterable[str]) -> str:
    """A model by its label, with some of its options."""
    return component(part.model_copy(update={"name": model_label(part.name)}), shown)


def components(parts: Iterable[Component]) -> str:
    """Several in a row, in the order in which they act."""
    return ", ".join(component(p) for p in parts)


def model_label(name: str) -> str:
    """What people call a model; its name where this program does not know it (a plug-in of the record's author)."""
    return str(getattr(names.load(names.TABLES["model"]).get(name), "label", name))


def method_label(name: str) -> str:
    """What people call a method; its name where this program does not know it."""
    return str(getattr(names.load(names.TABLES["method"]).get(name), "label", name))


def synthetic(dataset: str) -> bool:
    """Whether a dataset is drawn by a program, for runs that have no record yet; unknown datasets count as real."""
    try:
        return names.dataset_info(dataset).synthetic
    except (BenchError, ImportError, AttributeError):
        return False


def domain(text: str, dataset: str) -> str:
    """`urban` where the table is about one dataset, `loveda/urban` elsewhere."""
    parsed = Domain.parse(text, dataset)
    return parsed.name if parsed.dataset == dataset else str(parsed)


def commits(found: Iterable[tuple[str | None, bool | None]]) -> str:
    """Short hashes; `+` marks a tree with changes that no commit holds."""
    return ", ".join(distinct(c[:8] + ("+" if dirty else "") if c else "no commit" for c, dirty in found))
