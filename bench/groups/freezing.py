"""Stages of a network that rest for a part of the run: no gradients, and the statistics of their BN stand still."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

if TYPE_CHECKING:
    from bench.models.segmodel import SegModel


@dataclass(frozen=True)
class Resting:
    """Stages that rest, and the share of the run after which they learn (None is never).

    Held by the network, so that a copy of it rests like it: copying maps these parameters to the copy's own.
    """

    stages: tuple[str, ...]
    until: float | None
    parameters: tuple[nn.Parameter, ...]
    norms: tuple[_NormBase, ...]


def freeze(model: SegModel, stages: Sequence[str], until: float | None) -> None:
    """Put `stages` of `model` to rest until the share `until` of the run, or for good."""
    modules = [module for name, own in model.stages() if name in stages for module in own]
    parameters = tuple(parameter for module in modules for parameter in module.parameters())
    norms = tuple(part for module in modules for part in module.modules() if isinstance(part, _NormBase))
    model.resting = Resting(tuple(stages), until, parameters, norms)  # type: ignore[assignment]
    thaw(model, 0.0)


def resting(model: nn.Module) -> Resting:
    """What of `model` rests, and how long."""
    found = getattr(model, "resting", None)
    return found if isinstance(found, Resting) else Resting((), None, (), ())


def thaw(model: SegModel, progress: float) -> bool:
    """Let every stage of `model` rest or learn as it must at `progress`, the share of the run's updates made so far.

    To be called before each step and after `model.train()`, which sets BN going again.  What it does follows from
    `progress` alone, so a resumed run needs no state.  Gives True where parameters began or ceased to learn; optimizers
    leave those without a gradient alone, weight decay and momentum included.  Costs a few microseconds.
    """
    rest = resting(model)
    if not rest.parameters:
        return False
    asleep = rest.until is None or progress < rest.until
    changed = rest.parameters[0].requires_grad == asleep
    if changed:
        for parameter in rest.parameters:
            parameter.requires_grad_(not asleep)
            parameter.grad = None
        for norm in rest.norms:
            norm.train(model.training)
    if asleep:
        for norm in rest.norms:
            if norm.training:
                norm.eval()
    return changed
