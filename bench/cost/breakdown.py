"""A network and an input shape -> where its parameters and its operations are: by stage, by module, by operator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from torch import nn

from bench.cost.copies import Shape
from bench.cost.counts import Counts, count
from bench.cost.tracing import multiply_adds

By = Literal["stage", "operator", "module"]

ELSEWHERE = "(elsewhere)"
"""What a forward pass does between its stages."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A part of a network; the rows of a breakdown add up to its totals, in every column.

    `parameters` is None by operator: an operator has none.  `fvcore` is None where fvcore's sum is refused, and for
    operators that it met `met` times and does not count.
    """

    name: str
    what: str = ""
    parameters: int | None = None
    macs: int = 0
    fvcore: int | None = None
    met: int | None = None


def break_down(model: nn.Module, input_shape: Shape, by: By, counts: Counts | None = None) -> tuple[Row, ...]:
    """The rows of one image's forward pass through `model` as it is built, from its input to its output.

    `model` is a network or its `deployed()`; one without `stages()` is divided into its children.  `counts` spares
    counting again.  Raises BenchError as `bench.cost.counts.count` does.
    """
    found = count(model, input_shape) if counts is None else counts
    return {"stage": _by_stage, "operator": _by_operator, "module": _by_module}[by](model, found)


def _by_stage(model: nn.Module, counts: Counts) -> tuple[Row, ...]:
    names = {part: name for name, part in model.named_modules()}
    stage_of = {names[part]: stage for stage, parts in stages(model) for part in parts if part in names}
    groups = {stage: stage for stage, _ in stages(model)}

    def group(module: str) -> str:
        while module and module not in stage_of:
            module = module.rpartition(".")[0]
        return stage_of.get(module, ELSEWHERE)

    return _grouped(model, counts, group, [*groups, ELSEWHERE])


def stages(model: nn.Module) -> list[tuple[str, list[nn.Module]]]:
    """(name, modules) from input to output: what the network says of itself, of any other network its children."""
    inner = _segmenter(model)[1]
    with suppress(AttributeError, NotImplementedError):
        said: list[tuple[str, list[nn.Module]]] = inner.stages()  # type: ignore[operator]
        return said
    return [(name, [child]) for name, child in inner.named_children()]


def _segmenter(model: nn.Module) -> tuple[str, nn.Module]:
    """The network inside the thin shell that a `deployed()` is, and its name there."""
    inside = list(model.named_children())
    return inside[0] if len(inside) == 1 and hasattr(inside[0][1], "stages") else ("", model)


def _by_module(model: nn.Module, counts: Counts) -> tuple[Row, ...]:
    shell, inner = _segmenter(model)
    parts = {**dict(model.named_modules()), "": inner}
    rows = _grouped(model, counts, lambda module: "" if module == shell else module, list(parts))
    names = [row.name.removeprefix(shell + ".") or ELSEWHERE for row in rows]
    return tuple(replace(row, name=n, what=describe(parts[row.name])) for n, row in zip(names, rows, strict=True))


def describe(part: nn.Module) -> str:
    """A module in a few words: `Conv2d 3x3, 64 -> 128, stride 2`."""
    words = [type(part).__name__]
    if isinstance(part, nn.modules.conv._ConvNd):
        words[0] += " " + "x".join(map(str, part.kernel_size)) + f", {part.in_channels} -> {part.out_channels}"
        words += [f"{k} {v[0]}" for k, v in (("stride", part.stride), ("dilation", part.dilation)) if set(v) != {1}]
        words += [f"{part.groups} groups"] if part.groups > 1 else []
    elif isinstance(part, nn.Linear):
        words[0] += f", {part.in_features} -> {part.out_features}"
    return ", ".join(words)


def _grouped(model: nn.Module, counts: Counts, group: Callable[[str], str], order: list[str]) -> tuple[Row, ...]:
    """One row for each group of modules that holds a parameter or does something."""
    macs, fvcore, held = Counter[str](), Counter[str](), Counter[str]()
    for product in counts.products:
        macs[group(product.module)] += product.macs
    for module, number in _own_fvcore(counts):
        fvcore[group(module)] += number
    for name, parameter in model.named_parameters():
        held[group(name.rpartition(".")[0])] += parameter.numel()
    return tuple(
        Row(
            name=name,
            parameters=held[name],
            macs=macs[name],
            fvcore=fvcore[name] if counts.fvcore else None,
        )
        for name in order
        if macs[name] or fvcore[name] or held[name]
    )


def _own_fvcore(counts: Counts) -> Iterator[tuple[str, int]]:
    """fvcore's count of each module without its children's: in its table every module is in its parents too."""
    rows = {name: sum(row.values()) for name, row in counts.fvcore.rows.items()} if counts.fvcore else {}
    own = Counter(rows)
    for name, number in rows.items():
        if name:
            parent = name.rpartition(".")[0]
            while parent not in rows:
                parent = parent.rpartition(".")[0]
            own[parent] -= number
    yield from own.items()


def _by_operator(model: nn.Module, counts: Counts) -> tuple[Row, ...]:
    if counts.fvcore is None:
        macs = Counter[str]()
        for product in counts.products:
            macs[product.operator] += product.macs
        return tuple(Row(name=name, macs=number) for name, number in macs.most_common())
    found = sorted(counts.fvcore.rows[""].items(), key=lambda item: -item[1])
    counted = [Row(name=name, macs=multiply_adds({name: number}), fvcore=number) for name, number in found]
    return (*counted, *(Row(name=name.removeprefix("aten::"), met=n) for name, n in counts.fvcore.uncounted.items()))
