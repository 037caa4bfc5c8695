"""An example plug-in: a network, a loss and a schedule of one's own, in one file.

    bench test-plugin tests/plugin/my_models.py
    bench sweep my_sweep.yaml --plugin tests/plugin/my_models.py

The tables at the end say what the file offers; they are called as ours are.  Options stand after the `*`, with plain
types and literal defaults, and the first line of a docstring is what `bench list` shows.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.models.segmodel import SegModel


class HalfSize(SegModel):
    """images (N, 3, H, W) -> {"out": logits (N, K, H/2, W/2)}."""

    def __init__(self, num_classes: int, width: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU())
        self.head = nn.Conv2d(width, num_classes, 1)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"out": self.head(self.stem(images))}

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        return [("stem", [self.stem]), ("head", [self.head])]


def half_size(num_classes: int, *, width: int = 8) -> SegModel:
    """Two convolutions at half size."""
    return HalfSize(num_classes, width)


def squared(*, scale: float = 1.0) -> Callable[[dict[str, Tensor], Tensor], Tensor]:
    """Squared distance of the probabilities from the label (Brier 1950)."""

    def loss(outputs: dict[str, Tensor], labels: Tensor) -> Tensor:
        logits = F.interpolate(outputs["out"].float(), size=labels.shape[-2:], mode="bilinear", align_corners=False)
        classes = torch.arange(logits.shape[1], device=labels.device)[:, None, None]
        distance = (logits.softmax(1) - (labels[:, None] == classes).float()).square().sum(1)
        valid = labels != 255
        return scale * (distance * valid).sum() / valid.sum().clamp(min=1)

    return loss


def halves(*, times: int = 3) -> Callable[[float], float]:
    """Halved `times` times on the way."""
    return lambda progress: 0.5 ** int(progress * (times + 1))


MODELS = {"half_size": half_size}
LOSSES = {"squared": squared}
SCHEDULERS = {"halves": halves}
