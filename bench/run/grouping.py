"""Configurations -> the parameter groups of each: who learns at which rate, with which decay, from when on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench import names
from bench.groups.freezing import Resting, resting
from bench.models.segmodel import SegModel
from bench.run.blueprint import blueprint
from bench.run.rates import Rates
from bench.spec import RunConfig

ALL, FLAT = "all", "norms and biases"

DECIDE = ("model", "dataset", "optimizer", "groups", "scheduler", "warmup_steps", "warmup_from")
"""Fields that the groups depend on, and the rate of the first update."""


@dataclass(frozen=True)
class Group:
    """Some parameters of a `stage`: how many, their rate where the schedule's factor is 1, their weight decay.

    `until` is the share of the run for which they rest; 0 where they learn from the start, None where they never do.
    """

    stage: str
    parameters: int
    lr: float | None
    weight_decay: float | None
    until: float | None = 0.0


@dataclass(frozen=True)
class Grouping:
    """The groups of the runs at these `positions`, stem to head, and the schedule's factor at the first update."""

    positions: tuple[int, ...]
    groups: tuple[Group, ...]
    first_factor: float


def groupings(configs: Sequence[RunConfig]) -> list[Grouping]:
    """The groups of each distinct recipe among `configs`; networks are built without memory for their weights.

    Raises BenchError for whatever a component refuses.
    """
    distinct: dict[str, list[int]] = {}
    for i, config in enumerate(configs):
        distinct.setdefault(config.model_dump_json(include=set(DECIDE)), []).append(i)
    return [_grouping(configs[positions[0]], positions) for positions in distinct.values()]


def _grouping(config: RunConfig, positions: Sequence[int]) -> Grouping:
    model = blueprint(config.model, names.dataset_info(config.dataset).num_classes)
    optimizer = names.build("optimizer", config.optimizer, names.build("groups", config.groups, model))
    rest = resting(model)
    groups = [_group(group, rest) for group in optimizer.param_groups]
    groups += _never(model, rest)
    order = {name: i for i, (name, _) in enumerate(model.stages())}
    shape = names.build("scheduler", config.scheduler)
    return Grouping(
        tuple(positions),
        tuple(sorted(groups, key=lambda group: order.get(group.stage.partition(":")[0], -1))),
        Rates(config, shape, config.warmup_steps + 1, 1).factor(0),
    )


def _group(group: dict[str, object], rest: Resting) -> Group:
    stage = str(group.get("stage", ALL))
    parameters = list(group["params"])  # type: ignore[call-overload]
    flat = all(parameter.ndim < 2 for parameter in parameters)
    return Group(
        f"{stage}: {FLAT}" if flat else stage,
        sum(parameter.numel() for parameter in parameters),
        float(group["initial_lr"]),  # type: ignore[arg-type]
        float(group.get("weight_decay", 0.0)),  # type: ignore[arg-type]
        rest.until if stage in rest.stages else 0.0,
    )


def _never(model: SegModel, rest: Resting) -> list[Group]:
    """What rests for good is in no group of the optimizer, and is told of all the same."""
    if rest.until is not None:
        return []
    counts = {name: sum(p.numel() for m in own for p in m.parameters()) for name, own in model.stages()}
    return [Group(name, counts[name], None, None, None) for name in rest.stages]
