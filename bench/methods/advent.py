"""ADVENT: a discriminator on maps of self-information, or entropy made small without one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from bench.methods.adversarial import Adversarial
from bench.methods.limits import above, at_least
from bench.methods.method import Loss, Method
from bench.methods.target import target_of
from bench.spec import BenchError

if TYPE_CHECKING:
    from bench.batches import Batch
    from bench.models.segmodel import SegModel


def advent(
    loss: Loss,
    num_classes: int,
    *,
    multi_level: bool = False,
    weight: float = 0.001,
    aux_weight: float = 0.0002,
    discriminator_lr: float = 1e-4,
) -> Adversarial:
    """AdvEnt: a discriminator tells source from target by how sure the network is of each class, pixel by pixel.

    Networks: one and a discriminator (two with `multi_level`).  Passes over full images per step: 2 forward and 2
    backward, and 3 of each of a discriminator.

    Source: ADVENT, arXiv 1811.12833, section 3.2.  Differs from the paper in: what `adaptsegnet` says of itself; the
    last weights are scored, not the best on target labels.
    """
    weights = {"out": at_least("weight", weight)}
    if multi_level:
        weights["aux"] = at_least("aux_weight", aux_weight)
    lr = above("discriminator_lr", discriminator_lr)
    return Adversarial(loss, num_classes, self_information, weights, lr=lr, game="bce")


def self_information(logits: Tensor) -> Tensor:
    """-p log2 p / log2 K of every class, (N, K, H, W); the sum over classes is the entropy, 0..1."""
    log = logits.log_softmax(1)
    return -(log.exp() * log) / math.log(logits.shape[1])


class MinEnt(Method):
    """The supervised loss and the mean entropy of the predictions on the target."""

    needs_target: ClassVar[bool] = True
    capturable: ClassVar[bool] = True

    def __init__(self, loss: Loss, weights: Mapping[str, float]) -> None:
        super().__init__(loss)
        self.weights = weights

    def adapt(self, model: SegModel, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        outputs = model(target_of(batch))
        for name in self.weights.keys() - outputs.keys():
            remedy = "set `aux_weight: 0`, or use a model with `aux: true` (pidnet_s, pidnet_m, pidnet_l)"
            raise BenchError(f"the model gives no output '{name}'", remedy=remedy, key="method")
        parts = [weight * self_information(outputs[name]).sum(1).mean() for name, weight in self.weights.items()]
        yield "entropy", sum(parts[1:], parts[0])


def minent(loss: Loss, num_classes: int, *, weight: float = 0.001, aux_weight: float = 0.0) -> MinEnt:
    """MinEnt: the entropy of predictions on target images is made small.

    Networks: one.  Passes over full images per step: 2 forward and 2 backward.  `aux_weight` above 0 (0.0002 in the
    paper) adds the entropy of the output "aux".

    Source: ADVENT, arXiv 1811.12833, section 3.1.  Differs from the paper in: entropy is taken at the size of the
    network's output, not of the image.
    """
    weights = {"out": at_least("weight", weight)}
    if at_least("aux_weight", aux_weight) > 0:
        weights["aux"] = aux_weight
    return MinEnt(loss, weights)
