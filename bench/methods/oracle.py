"""The two reference rows that see labels of the target: what adaptation could reach at most, and with both at hand."""

from __future__ import annotations

from typing import ClassVar, Literal

from bench.methods.method import Loss, Method


class Oracle(Method):
    """As source-only, on the labelled images of the target in place of the source's."""

    capturable: ClassVar[bool] = True
    labels_from: ClassVar[Literal["source", "target", "both"]] = "target"


class Joint(Method):
    """As source-only, on the labelled images of both, joined and drawn from alike."""

    capturable: ClassVar[bool] = True
    labels_from: ClassVar[Literal["source", "target", "both"]] = "both"


def oracle(loss: Loss, num_classes: int) -> Oracle:
    """Train on labelled target images alone: the upper reference row, no adaptation."""
    return Oracle(loss)


def joint(loss: Loss, num_classes: int) -> Joint:
    """Train on labelled source and target images together: what the target's labels add, no adaptation."""
    return Joint(loss)
