"""Components that break one promise each: `BREAKERS[kind][promise's function]` lists plug-in builders that do."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from bench.methods.method import Method
from bench.models.segmodel import SegModel
from bench.optimizers.sgd import sgd
from bench.spec import IGNORE

COUNT = itertools.count()


class Net(SegModel):
    """A network that keeps every promise, for others to break."""

    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU())
        self.head = nn.Conv2d(6, classes, 1)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"out": self.head(self.stem(images))}

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        return [("stem", [self.stem]), ("head", [self.head])]


class OneMore(Net):
    def __init__(self, classes: int) -> None:
        super().__init__(classes + 1)


class ReadsValues(Net):
    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return super().forward(images * float(images.abs().max().clamp(1, 1).item()))


class LostHead(Net):
    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        return super().stages()[:1]


class TwiceHead(Net):
    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        return [*super().stages(), ("again", [self.head])]


class OtherDeployed(Net):
    def deployed(self) -> nn.Module:
        twin: Any = super().deployed()
        twin.model.head.weight = nn.Parameter(twin.model.head.weight * 1.5)
        return twin


class Unused(Net):
    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.spare = nn.Conv2d(6, 6, 1)

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        return [*super().stages(), ("spare", [self.spare])]


class Restless(Net):
    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        nn.init.constant_(self.head.weight, random.random())


class Crowd(Net):
    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return super().forward(images - images.mean((0, 2, 3), keepdim=True))


class CastsItself(Net):
    def forward(self, images: Tensor) -> dict[str, Tensor]:
        with torch.autocast(images.device.type, enabled=False):
            return super().forward(images)


class Forgetful(Net):
    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.scale = torch.rand(classes, 1, 1)  # neither parameter nor buffer

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"out": super().forward(images)["out"] * self.scale.to(images.device)}


class Labelless(Net):
    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"out": super().forward(images)["out"].detach()}


class NoProducts(SegModel):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"out": images[:, :1] + self.bias[:, None, None]}


Outputs = dict[str, Tensor]


def mean_over_all(outputs: Outputs, labels: Tensor) -> Tensor:
    """Not a number where all is void."""
    out = nn.functional.interpolate(outputs["out"], size=labels.shape[-2:])
    return cross_entropy(out, labels, ignore_index=IGNORE)


def safe(outputs: Outputs, labels: Tensor) -> Tensor:
    out = nn.functional.interpolate(outputs["out"].float(), size=labels.shape[-2:], mode="bilinear")
    total = cross_entropy(out, labels, ignore_index=IGNORE, reduction="sum")
    return total / (labels != IGNORE).sum().clamp(min=1)


def sees_void(outputs: Outputs, labels: Tensor) -> Tensor:
    return safe(outputs, labels) + outputs["out"].abs().mean() * (labels != IGNORE).any()


def writes(outputs: Outputs, labels: Tensor) -> Tensor:
    value = safe(outputs, labels)
    labels[labels == IGNORE] = 0
    return value


def in_half(outputs: Outputs, labels: Tensor) -> Tensor:
    if outputs["out"].dtype == torch.bfloat16:
        return safe(outputs, labels) / 0
    return safe(outputs, labels)


def on_the_host(outputs: Outputs, labels: Tensor) -> Tensor:
    return safe(outputs, labels) if bool((labels != IGNORE).any()) else 0 * outputs["out"].sum()


def plain_sgd(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    """Torch's own without fused, and without initial_lr."""
    known = [{k: v for k, v in group.items() if k != "lr_factor"} for group in groups]
    return torch.optim.SGD(known, lr=0.1)


def deaf_sgd(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    return sgd([{"params": group["params"]} for group in groups], lr=0.01)


def forgetful_sgd(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    made = sgd(groups, lr=0.01)
    made.load_state_dict = lambda state: None  # type: ignore[method-assign]
    return made


class Watching(Method):
    """Adds what only this process knows to its loss, or forgets what it did."""

    def __init__(self, loss: Any, what: str) -> None:
        super().__init__(loss)
        self.what, self.calls = what, 0

    def adapt(self, model: SegModel, batch: Any) -> Iterator[tuple[str, Tensor]]:
        self.calls += 1
        factor = {"random": random.random(), "forgets": float(self.calls), "wild": float("inf")}[self.what]
        yield "more", model(batch.images)["out"].square().mean() * factor


class Overwrites(Method):
    def adapted(self, model: SegModel) -> SegModel:
        import copy

        next(iter(model.parameters())).data.zero_()
        return copy.deepcopy(model)


def method(what: str) -> Callable[..., Method]:
    return lambda loss, classes: Watching(loss, what)


BREAKERS: dict[str, dict[str, list[Callable[..., Any]]]] = {
    "model": {
        "logits": [OneMore, ReadsValues, lambda classes: nn.Conv2d(3, classes, 1)],
        "stages": [LostHead, TwiceHead],
        "deployed": [OtherDeployed],
        "gradients": [Unused],
        "one_seed": [Restless],
        "alone": [Crowd],
        "precision": [CastsItself],
        "state": [Forgetful],
        "rehearsed": [Labelless],
        "counted": [NoProducts],
    },
    "loss": {
        "finite": [lambda: mean_over_all],
        "blind": [lambda: sees_void],
        "pure": [lambda: writes, lambda: lambda o, t: safe(o, t) * (1 + next(COUNT))],
        "half": [lambda: in_half],
        "works_alone": [lambda: on_the_host],
    },
    "scheduler": {
        "factors": [lambda: lambda p: 0.5 - p, lambda: lambda p: p],
        "pure": [lambda: lambda p: p + 0.1 * next(COUNT)],
    },
    "optimizer": {
        "downhill": [plain_sgd],
        "withheld": [plain_sgd],
        "factor": [deaf_sgd],
        "state": [forgetful_sgd],
    },
    "groups": {
        "partition": [lambda model: [{"params": [next(model.parameters())]}]],
        "usable": [lambda model: [{"params": list(model.parameters()), "lr_factor": -1.0}]],
    },
    "sampler": {
        "numbers": [lambda counts: lambda g: g.permutation(len(counts)) + 1, lambda counts: lambda g: g.random(9)],
        "one_seed": [lambda counts: lambda g: np.random.permutation(len(counts))],
    },
    "scoring": {
        "winners": [lambda: lambda forward, images, size: iter(forward(images).argmin(1).byte())],
        "twice": [lambda: lambda f, images, size: iter(torch.randint(5, (len(images), *size)).byte())],
    },
    "augment": {
        "together": [lambda: lambda images, labels, generator: (images.flip(-1), labels)],
        "shapes": [lambda: lambda images, labels, generator: (images.mul_(2), labels)],
    },
    "method": {
        "finite": [method("wild")],
        "one_seed": [method("random")],
        "goes_on": [method("forgets")],
        "scored": [lambda loss, classes: Overwrites(loss)],
    },
}
