"""A network of a few milliseconds, offered by a package of its own: what tests train where no network is the point."""

from __future__ import annotations

from torch import Tensor, nn

from bench.models.segmodel import SegModel


class FourConvs(SegModel):
    """Four convolutions at half size; batch statistics make it one that has buffers, too."""

    def __init__(self, num_classes: int, width: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU())
        self.middle = nn.Sequential(
            nn.Conv2d(width, width, 3, 1, 1), nn.ReLU(), nn.Conv2d(width, width, 3, 1, 1), nn.ReLU()
        )
        self.head = nn.Conv2d(width, num_classes, 1)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"out": self.head(self.middle(self.stem(images)))}

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        return [("stem", [self.stem]), ("middle", [self.middle]), ("head", [self.head])]


def four_convs(num_classes: int, *, width: int = 8) -> SegModel:
    """Four convolutions, for tests."""
    return FourConvs(num_classes, width)
