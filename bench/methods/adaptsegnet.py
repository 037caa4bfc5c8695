"""AdaptSegNet: a discriminator on softmax outputs."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from bench.methods.adversarial import Adversarial
from bench.methods.limits import above, at_least
from bench.methods.method import Loss


def adaptsegnet(
    loss: Loss,
    num_classes: int,
    *,
    multi_level: bool = False,
    weight: float = 0.001,
    aux_weight: float = 0.0002,
    discriminator_lr: float = 1e-4,
    game: Literal["bce", "least_squares"] = "bce",
) -> Adversarial:
    """AdaptSegNet: a discriminator tells source from target by their softmax maps, the network learns to hide it.

    Networks: one and a discriminator (two with `multi_level`, on the outputs "out" and "aux", whose own supervised loss
    is the loss's: `{name: cross_entropy, aux_weight: 0.1}`).  Passes over full images per step: 2 forward and 2
    backward, and 3 of each of a discriminator.  For `game: least_squares` the paper's code has `weight: 0.01`.

    Source: AdaptSegNet, arXiv 1802.10349, sections 3 and 4.  Differs from the paper in: a batch of any size, source and
    target at one size; the networks step together, each loss leaving the others' weights alone, as in its code; BN
    affine parameters train.
    """
    weights = {"out": at_least("weight", weight)}
    if multi_level:
        weights["aux"] = at_least("aux_weight", aux_weight)
    lr = above("discriminator_lr", discriminator_lr)
    return Adversarial(loss, num_classes, probabilities, weights, lr=lr, game=game)


def probabilities(logits: Tensor) -> Tensor:
    """Softmax over classes."""
    return logits.softmax(1)
