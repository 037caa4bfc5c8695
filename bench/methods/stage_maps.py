"""A network's stages -> the maps that they give, as they are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from bench.spec import BenchError

if TYPE_CHECKING:
    from bench.models.segmodel import SegModel

Maps = dict[str, Tensor]
PROBE_PX = 64
"""Side of the blank image by which channels are found out."""


def shared_stages(one: SegModel, other: SegModel, wanted: Sequence[str] | None) -> list[tuple[str, str]]:
    """Pairs of stages, one of each network: those `wanted`, else the last that both call alike, else the last of each.

    Heads are no stages: what they give is compared as outputs.  Raises BenchError for a name that one of them lacks.
    """
    ours, theirs = ([name for name, _ in network.stages() if name != "head"] for network in (one, other))
    both = [name for name in ours if name in theirs]
    for name in wanted or ():
        if name not in both:
            problem = f"student and teacher do not both have a stage '{name}'"
            raise BenchError(problem, remedy=f"both have: {', '.join(both) or 'none'}", key="method.feature_stages")
    if wanted:
        return [(name, name) for name in wanted]
    return [(both[-1], both[-1])] if both else [(ours[-1], theirs[-1])]


def listen(model: SegModel, stages: Sequence[str]) -> Maps:
    """A mapping that holds the latest map of each of `stages`: what its first module gave.

    A copy of `model` writes there too, so maps are to be taken out right after a pass.
    """
    maps: Maps = {}
    modules = dict(model.stages())
    for name in stages:
        modules[name][0].register_forward_hook(_keeper(maps, name))
    return maps


def _keeper(maps: Maps, name: str) -> Callable[[nn.Module, Any, Any], None]:
    """A hook that holds nothing but the mapping: whoever copies the network copies no more than that function."""

    def keep(module: nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, Tensor) and not torch.is_inference_mode_enabled():
            maps[name] = output

    return keep


@torch.no_grad()
def channels(model: SegModel, stages: Sequence[str], device: torch.device) -> list[int]:
    """How many channels the map of each stage has, found by a blank image; mode and statistics stay as they are.

    Raises BenchError for a stage that gives no map (N, C, h, w).
    """
    modes = [(part, part.training) for part in model.modules()]
    maps: Maps = {}
    modules = dict(model.stages())
    hooks = [modules[name][0].register_forward_hook(_keeper(maps, name)) for name in stages]
    try:
        model.eval()
        model.forward(torch.zeros(1, 3, PROBE_PX, PROBE_PX, device=device))  # past compilation, for one pass
    finally:
        for hook in hooks:
            hook.remove()
        for part, training in modes:
            part.training = training
    for name in stages:
        if name not in maps or maps[name].ndim != 4:
            problem = f"stage '{name}' gives no map to compare"
            raise BenchError(problem, remedy="name others", key="method.feature_stages")
    return [maps[name].shape[1] for name in stages]
