"""A small network and batches that can be learnt from: what losses, methods and groups are tried with."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench.batches import Batch
from bench.contracts.promise import CLASSES
from bench.methods.unlabelled import Unlabelled
from bench.models.segmodel import SegModel
from bench.spec import IGNORE

SIZE = (32, 32)


class SmallNet(SegModel):
    """Logits at half the size and an auxiliary head; BN, as real networks have it."""

    auxiliary = ("side",)

    def __init__(self, num_classes: int = CLASSES, width: int = 6) -> None:
        super().__init__()
        self.stem, self.bn = nn.Conv2d(3, width, 3, 2, 1), nn.BatchNorm2d(width)
        self.middle, self.head = nn.Conv2d(width, width, 3, 1, 1), nn.Conv2d(width, num_classes, 1)
        self.side: nn.Module | None = nn.Conv2d(width, num_classes, 1)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        seen = torch.relu(self.bn(self.stem(images)))
        outputs = {"out": self.head(torch.relu(self.middle(seen)))}
        return outputs if self.side is None else {**outputs, "aux": self.side(seen)}

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        heads: list[nn.Module] = [self.head] if self.side is None else [self.head, self.side]
        return [("stem", [self.stem, self.bn]), ("layer1", [self.middle]), ("head", heads)]


def images_of(seed: int, n: int = 2) -> Tensor:
    """Patches of colour, normalised: float (n, 3, 32, 32)."""
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.randn(n, 3, 4, 4, generator=draw).repeat_interleave(8, 2).repeat_interleave(8, 3)
    return coarse + 0.2 * torch.randn(n, 3, *SIZE, generator=draw)


def batch_of(step: int, *, void: bool = False) -> Batch:
    """Two labelled images with a band of void, two unlabelled ones of a target."""
    images = images_of(2 * step)
    labels = (images.sum(1) * 1.5).long().remainder(CLASSES)
    labels[:, :2] = IGNORE
    return Batch(
        images, labels.fill_(IGNORE) if void else labels, 0.6 * images_of(2 * step + 1) + 0.5, step=step, seed=7
    )


def target_images(n: int = 5) -> Unlabelled:
    """A target split without labels."""
    draw = torch.Generator().manual_seed(99)
    pixels = torch.randint(256, (n, 3, *SIZE), generator=draw, dtype=torch.uint8)
    return Unlabelled(pixels, tuple(f"image{i}" for i in range(n)))
