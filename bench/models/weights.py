"""Foreign weights: a dict of tensors -> what of it a network took over, or an error that says what to do.

A loader that matches by name alone trains from scratch without a word when every name carries a prefix; this one
counts.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pickle import UnpicklingError
from typing import NoReturn

from torch import Tensor, nn

from bench.spec import BenchError, ExitCode

log = logging.getLogger(__name__)

IMAGENET = {
    "convnext_tiny": "ConvNeXt_Tiny_Weights.IMAGENET1K_V1",
    "mobilenet_v3_large": "MobileNet_V3_Large_Weights.IMAGENET1K_V1",
    "resnet18": "ResNet18_Weights.IMAGENET1K_V1",
    "resnet34": "ResNet34_Weights.IMAGENET1K_V1",
    "resnet50": "ResNet50_Weights.IMAGENET1K_V1",
    "resnet101": "ResNet101_Weights.IMAGENET1K_V1",
}
"""V1: the recipe that the literature's figures rest on; ResNet-101 alone also has a V2 of a longer recipe."""


@dataclass(frozen=True)
class LoadReport:
    """What became of each tensor, by name.

    `matched` was taken over, `skipped` has another shape; `unexpected` is only in the file, `missing` only in the
    network.
    """

    matched: tuple[str, ...]
    skipped: tuple[str, ...]
    unexpected: tuple[str, ...]
    missing: tuple[str, ...]

    def __str__(self) -> str:
        parts = [_count(name, getattr(self, name)) for name in ("matched", "skipped", "unexpected", "missing")]
        return ", ".join(parts)


def _count(word: str, keys: tuple[str, ...]) -> str:
    few = f" ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})" if keys and word != "matched" else ""
    return f"{len(keys)} {word}{few}"


def load_matching(module: nn.Module, tensors: Mapping[str, Tensor], *, origin: str) -> LoadReport:
    """Copy into `module` every tensor whose name and shape fit its state_dict; `origin` names the file in the error.

    Raises BenchError when not one tensor fits.
    """
    own = module.state_dict()
    shared = [key for key in own if key in tensors]
    report = LoadReport(
        matched=tuple(key for key in shared if tensors[key].shape == own[key].shape),
        skipped=tuple(key for key in shared if tensors[key].shape != own[key].shape),
        unexpected=tuple(key for key in tensors if key not in own),
        missing=tuple(key for key in own if key not in tensors),
    )
    if not report.matched:
        raise BenchError(
            f"no tensor of {origin} fits the network: {report}",
            remedy="compare the names, a prefix such as `module.` may have to go",
            code=ExitCode.DATA,
        )
    module.load_state_dict({key: tensors[key] for key in report.matched}, strict=False)
    return report


def load_imagenet(body: nn.Module, name: str) -> LoadReport | None:
    """Give `body` torchvision's ImageNet weights of `name`; logs and returns what matched.

    They expect RGB in [0, 1], normalised by ImageNet's mean and standard deviation.
    On the meta device there is nothing to hold values: nothing is fetched, and None comes back.
    Raises BenchError when the weights cannot be fetched or do not fit.
    """
    if next(body.parameters()).is_meta:
        return None
    report = load_matching(body, fetch_imagenet(name), origin=f"torchvision {IMAGENET[name]}")
    log.info("ImageNet weights of %s: %s", name, report)
    return report


def fetch_imagenet(name: str) -> Mapping[str, Tensor]:
    """The state_dict of torchvision's `name`, from its cache or the network; raises BenchError when neither has it."""
    # Imported here: it costs a second that only pretrained networks need to pay.
    import torch
    from torchvision.models import get_weight

    weights = get_weight(IMAGENET[name])
    try:
        tensors: Mapping[str, Tensor] = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    # No network is an OSError, a wrong hash, a cut-off cached file, or one of more than tensors any of the others.
    except (OSError, RuntimeError, EOFError, UnpicklingError) as error:
        file = weights.url.rpartition("/")[2]
        raise BenchError(
            f"cannot fetch the ImageNet weights {file}: {error}",
            remedy=f"go online, or put a whole copy into {torch.hub.get_dir()}/checkpoints, or leave `pretrained` out",
            key="pretrained",
            code=ExitCode.ENVIRONMENT,
        ) from error
    return tensors


def refuse_imagenet(why: str, otherwise: str = "") -> NoReturn:
    """Raise the BenchError of a network that torchvision's ImageNet weights do not fit."""
    remedy = f"{otherwise}, or leave `pretrained` out" if otherwise else "leave `pretrained` out"
    raise BenchError(f"ImageNet weights do not fit: {why}", remedy=remedy, key="pretrained")
