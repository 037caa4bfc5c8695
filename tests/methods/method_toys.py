"""A network of two convolutions, batches that can be learnt from, and methods under way on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn

from bench import names
from bench.batches import Batch
from bench.contracts.of_methods import gone_through
from bench.methods.method import Method, Setting
from bench.methods.unlabelled import Unlabelled
from bench.models.segmodel import SegModel
from bench.optimizers.sgd import sgd
from bench.spec import IGNORE, Component

CPU, META = torch.device("cpu"), torch.device("meta")
CLASSES, STEPS, SIZE = 3, 10, (32, 32)


class Toy(SegModel):
    """Logits at half the size; BN and dropout, as real networks have them."""

    def __init__(self, classes: int = CLASSES, *, aux: bool = True, width: int = 6) -> None:
        super().__init__()
        self.stem, self.bn = nn.Conv2d(3, width, 3, 2, 1), nn.BatchNorm2d(width)
        self.drop, self.head = nn.Dropout2d(0.2), nn.Conv2d(width, classes, 1)
        self.side = nn.Conv2d(width, classes, 1) if aux else None

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        heads = [self.drop, self.head, *([] if self.side is None else [self.side])]
        return [("stem", [self.stem, self.bn]), ("head", heads)]

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        seen = torch.relu(self.bn(self.stem(images)))
        outputs = {"out": self.head(self.drop(seen))}
        return outputs if self.side is None else {**outputs, "aux": self.side(seen)}


def images_of(seed: int, n: int = 2, size: tuple[int, int] = SIZE) -> Tensor:
    """Patches of colour, normalised; the brightest channel is the label that `labels_of` gives."""
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.randn(n, 3, -(-size[0] // 8), -(-size[1] // 8), generator=draw)
    noise = 0.2 * torch.randn(n, 3, *size, generator=draw)
    return coarse.repeat_interleave(8, 2).repeat_interleave(8, 3)[..., : size[0], : size[1]] + noise


def labels_of(images: Tensor, classes: int = CLASSES) -> Tensor:
    return images[:, :classes].argmax(1)


def toy_batch(
    step: int,
    *,
    n: int = 2,
    size: tuple[int, int] = SIZE,
    target_size: tuple[int, int] | None = None,
    classes: int = CLASSES,
    void: bool = False,
    target: bool = True,
) -> Batch:
    images = images_of(2 * step, n, size)
    labels = labels_of(images, classes)
    labels[:, :2] = IGNORE
    if void:
        labels.fill_(IGNORE)
    others = 0.6 * images_of(2 * step + 1, n, target_size or size) + 0.5 if target else None
    return Batch(images, labels, others, step=step, seed=7)


def unlabelled(n: int = 5, size: tuple[int, int] = SIZE) -> Unlabelled:
    draw = torch.Generator().manual_seed(99)
    pixels = torch.randint(256, (n, 3, *size), generator=draw, dtype=torch.uint8)
    return Unlabelled(pixels, tuple(f"image{i}" for i in range(n)))


def built(name: str | list[Any], classes: int = CLASSES, **options: Any) -> Method:
    """The method `name` of the table with cross entropy; a list is a combination."""
    if isinstance(name, list):
        name, options = "combined", {"parts": name}
    method: Method = names.build(
        "method",
        Component(name=name, options=options),
        names.build("loss", Component(name="cross_entropy")),
        classes,
    )
    return method


def setting(target: Unlabelled | None = None, *, device: torch.device = CPU, classes: int = CLASSES) -> Setting:
    def network(what: str | dict[str, Any], weights: str | None) -> Toy:
        """A teacher: one whose weights are given is the same in every process."""
        with torch.random.fork_rng(enabled=weights is not None), device:
            if weights is not None:
                torch.manual_seed(3)
            return Toy(classes, width=9)

    shares = tuple((torch.arange(classes) + 1.0).div(classes * (classes + 1) / 2).tolist())
    return Setting(
        device=device,
        steps=STEPS,
        seed=7,
        num_classes=classes,
        target=target or unlabelled(),
        source_shares=shares,
        network=network,
    )


@dataclass
class Running:
    """A method under way: what a run would hold of it."""

    model: Toy
    method: Method
    optimizers: tuple[torch.optim.Optimizer, ...]

    def go(
        self, steps: int = STEPS, start: int = 0, batches: Callable[[int], Batch] = toy_batch
    ) -> dict[str, list[Any]]:
        """Steps `start` .. `steps` - 1 of the loop; every loss by name, None where there was none."""
        falling: Callable[[int], float] = lambda step: max(0.5, 1 - step / (2 * STEPS))  # noqa: E731
        stream = map(batches, count(start))
        return gone_through(self.model, self.method, self.optimizers, stream, steps, start, falling)

    def state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "method": self.method.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "draws": torch.get_rng_state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.method.load_state_dict(state["method"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        torch.set_rng_state(state["draws"])


def running(
    name: str | list[Any], *, seed: int = 1, classes: int = CLASSES, aux: bool = True, **options: Any
) -> Running:
    torch.manual_seed(seed)
    model, method = Toy(classes, aux=aux), built(name, classes, **options)
    optimizer = sgd([{"params": list(model.parameters())}], lr=0.05)
    method.attach(model, setting(classes=classes))
    return Running(model, method, (optimizer, *method.optimizers))


def same(one: Any, other: Any) -> bool:
    """Whether two states are equal, every tensor bit by bit."""
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)
