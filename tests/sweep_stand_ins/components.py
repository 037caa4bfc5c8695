"""Builders of which only the signatures are read."""

from __future__ import annotations

from typing import Any, Literal


def deeplab(num_classes: int, *, variant: Literal["caffe", "torchvision"] = "caffe") -> None:
    """A network with two bodies."""


def pidnet_s(num_classes: int, *, aux: bool = True, width: int = 32) -> None:
    """A network with options."""


def unet(num_classes: int) -> None:
    """A network without options."""


def cross_entropy(*, weights: list[float] | None = None) -> None:
    """A loss."""


def ohem(*, threshold: float = 0.9, min_kept: int = 4096) -> None:
    """Another loss."""


def source_only(loss: Any, num_classes: int) -> None:
    """A method."""


def dann(loss: Any, num_classes: int, *, weight: float, note: Any = None) -> None:
    """A method that needs an option, and has one of any type."""


def sgd(groups: Any, *, lr: float = 0.01, momentum: float = 0.9) -> None:
    """An optimizer."""


def adam(groups: Any, *, lr: float = 0.001, betas: tuple[float, float] = (0.9, 0.999)) -> None:
    """Another optimizer."""


def poly(*, power: float = 0.9) -> None:
    """A schedule."""


def constant() -> None:
    """Another schedule."""


def flip(*, p: float = 0.5) -> None:
    """An augmentation."""


def jitter(*, strength: float = 0.2) -> None:
    """Another augmentation."""


def uniform(counts: Any) -> None:
    """A sampler without options, the default."""


def rare(counts: Any, *, temperature: float = 0.01) -> None:
    """Another sampler."""


def whole() -> None:
    """A way of scoring without options, the default."""


def sliding(*, window_px: tuple[int, int] = (64, 64)) -> None:
    """Another way of scoring."""


def board(*, port: int = 80) -> None:
    """What watches runs."""
