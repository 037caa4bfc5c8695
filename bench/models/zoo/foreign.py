"""What networks of other libraries have in common: how they are built, what they refuse, which stages they have."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from bench.models.segmodel import SegModel
from bench.spec import BenchError, ExitCode

Stages = list[tuple[str, list[nn.Module]]]


def library(module: str) -> Any:
    """A library, imported; raises BenchError where that fails for another reason than that it is not there."""
    try:
        return importlib.import_module(module)
    except Exception as fault:
        problem = f"{module} cannot be imported: {type(fault).__name__}: {fault}"
        remedy = "install a version that fits this torch: pip install --upgrade 'bench[zoo]'"
        raise BenchError(problem, remedy=remedy, key="model", code=ExitCode.ENVIRONMENT) from fault


def assemble(build: Callable[[], Any]) -> Any:
    """What `build` gives, on the default device.

    Libraries read single values of tensors while they build, which the meta device cannot give: there a network is
    made on the CPU and its values are dropped.
    """
    if not on_meta():
        return build()
    with torch.device("cpu"):
        return build().to("meta")


def on_meta() -> bool:
    """Whether what is built now has no values, so that none need be fetched."""
    return torch.get_default_device().type == "meta"


def not_fetched(name: str, fault: Exception) -> NoReturn:
    """Raise the BenchError of pretrained weights that a library could not get, for whatever reason of its own."""
    raise BenchError(
        f"cannot fetch the weights of {name}: {type(fault).__name__}: {fault}",
        remedy="go online once, then they are kept; or leave `pretrained` out",
        key="pretrained",
        code=ExitCode.ENVIRONMENT,
    ) from fault


class Foreign(SegModel):
    """A SegModel around a network of another library, `name` as the sweep file writes it."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        try:
            return super().__call__(images)
        except (AssertionError, ValueError) as fault:  # how libraries refuse a size, and BN a batch of one
            size = "x".join(map(str, images.shape[-2:]))
            problem = f"{self.name} takes no batch of {len(images)} images of {size}: {fault}"
            remedy = "use another `crop_px`, or `batch_size: 2` and more"
            raise BenchError(" ".join(problem.split()), remedy=remedy, key="model") from fault


def body_stages(body: nn.Module) -> Stages:
    """(name, modules) of an encoder that nobody has described: its parts in the order of their definition.

    Layers that stand alone at the front are the stem, or else the first part is; those further on belong to the part
    before them.  Parameters of no layer, such as a class token, go with the stem.
    """
    while True:
        loose = list(body.parameters(recurse=False))
        parts = [part for part in body.children() if any(True for _ in part.parameters())]
        if loose or len(parts) != 1:
            break
        body = parts[0]
    if len(parts) < 2 and not loose:
        return [("stem", [body])]
    groups: list[list[nn.Module]] = [[nn.ParameterList(loose)] if loose else []]
    for part in parts:
        alone = not any(any(True for _ in inner.parameters()) for inner in part.children())
        if groups[-1] and not alone:
            groups.append([])
        groups[-1].append(part)
    if len(groups) == 2 and isinstance(groups[1][0], (nn.Sequential, nn.ModuleList)):
        groups = [groups[0], *([part] for part in groups[1][0]), *([part] for part in groups[1][1:])]
    return [("stem" if i == 0 else f"layer{i}", group) for i, group in enumerate(groups) if group]
