"""A network -> groups of parameters by stage, from stem to head: rates by depth, weight decay, stages that rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import nn

from bench import names
from bench.groups.freezing import freeze
from bench.names.recipe_rules import check_stages
from bench.spec import BenchError

if TYPE_CHECKING:
    from bench.models.segmodel import SegModel
    from bench.optimizers import Groups


def by_stage(
    model: SegModel,
    *,
    head: float = 1.0,
    first: float | None = None,
    rest: float | None = None,
    decay_norms: bool = True,
    frozen: tuple[str, ...] = (),
    thaw: float | None = None,
) -> Groups:
    """Groups by stage, stem to head: rates by depth, no decay on norms, stages that rest.

    `head` multiplies the rate of the last stage.  `first` is the factor of the first stage, from which factors grow to
    1 at the last by equal ratios; `rest` is the factor of all stages but the last.  With `decay_norms: false`
    parameters of one dimension (weights and shifts of norms, biases) have no weight decay.  The stages in `frozen`
    rest: they get no gradient, and statistics of their BN stand still, until the share `thaw` of the run, or for good.
    A stage that never learns is in no group.  Every schedule scales all groups alike, so their ratios stay.

    Raises BenchError for an unknown stage, all stages frozen, `first` beside `rest`, and numbers out of range.

    Source: discriminative rates are those of Howard and Ruder 2018, arXiv 1801.06146, section 3.2, where a stage has
    the rate of the next divided by 2.6; thawing all stages at one moment is fastai's fine-tuning.  Differs from the
    paper in: the ratio follows from `first` and the number of stages; stages do not thaw one after the other.
    """
    stages = model.stages()
    check_stages(head, first, rest, thaw, frozen)
    _check_known([name for name, _ in stages], frozen)
    factors = _factors(len(stages), head, first, rest)
    groups: Groups = []
    for (name, modules), factor in zip(stages, factors, strict=True):
        if name in frozen and thaw is None:
            continue
        own = list(dict.fromkeys(parameter for module in modules for parameter in module.parameters()))
        groups += _groups(name, own, factor, decay_norms)
    if frozen:
        freeze(model, frozen, thaw)
    return groups


def _factors(count: int, head: float, first: float | None, rest: float | None) -> list[float]:
    """What the rate is multiplied by, stem to head."""
    if first is not None:
        factors = [first ** (1 - i / max(1, count - 1)) for i in range(count)]
    else:
        factors = [1.0 if rest is None else rest] * (count - 1) + [1.0]
    return [*factors[:-1], factors[-1] * head]


def _groups(stage: str, parameters: Sequence[nn.Parameter], factor: float, decay_norms: bool) -> Groups:
    """One group of a stage, or two where some of its parameters have no weight decay."""
    shared = {"stage": stage, "lr_factor": factor}
    if decay_norms:
        return [{"params": list(parameters), **shared}] if parameters else []
    flat = [parameter for parameter in parameters if parameter.ndim < 2]
    rest = [parameter for parameter in parameters if parameter.ndim >= 2]
    groups: Groups = [{"params": rest, **shared}] if rest else []
    return [*groups, {"params": flat, "weight_decay": 0.0, **shared}] if flat else groups


def _check_known(stages: Sequence[str], frozen: Sequence[str]) -> None:
    for name in frozen:
        if name not in stages:
            near = names.near(name, stages)
            listed = f"stages, stem to head: {', '.join(stages)}"
            remedy = f"{near} ({listed})" if near.startswith("did") else listed
            raise BenchError(f"the model has no stage '{name}'", remedy=remedy, key="groups.frozen")
    if set(frozen) == set(stages):
        problem = "every stage is frozen, so nothing is left to learn"
        raise BenchError(problem, remedy="leave the head out of `frozen`", key="groups.frozen")
