"""A discriminator guesses the domain from the network's output, and the network learns to make it guess wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from bench.methods.discriminator import SOURCE, TARGET, Discriminator, Game, verdict
from bench.methods.method import Loss, Method, Setting
from bench.methods.target import target_of
from bench.optimizers.adam import adam
from bench.spec import BenchError

if TYPE_CHECKING:
    from bench.batches import Batch
    from bench.models.segmodel import SegModel

View = Callable[[Tensor], Tensor]
"""Logits (N, K, H, W) -> what a discriminator sees of them, of the same shape."""


class Adversarial(Method):
    """One discriminator for each output in `weights`, trained beside the network; each loss has a graph of its own.

    The network's turn leaves the discriminators as they are, and theirs leaves the network.
    """

    needs_target: ClassVar[bool] = True

    def __init__(
        self, loss: Loss, num_classes: int, view: View, weights: Mapping[str, float], *, lr: float, game: Game
    ) -> None:
        super().__init__(loss)
        self.num_classes, self.view, self.weights = num_classes, view, weights
        self.lr, self.game = lr, game
        self.of_source: dict[str, Tensor] = {}

    def attach(self, model: SegModel, setting: Setting) -> None:
        self.networks = nn.ModuleDict({name: Discriminator(self.num_classes) for name in self.weights})
        self.networks.to(setting.device)
        self.optimizers = (adam([{"params": list(self.networks.parameters())}], lr=self.lr, betas=(0.9, 0.99)),)

    def supervised(self, model: SegModel, batch: Batch) -> Tensor:
        outputs = model(batch.images)
        for name in self.weights.keys() - outputs.keys():
            raise BenchError(
                f"several levels need the output '{name}', and the model gives only {', '.join(sorted(outputs))}",
                remedy="set `multi_level: false`, or use a model with `aux: true` (pidnet_s, pidnet_m, pidnet_l)",
                key="method",
            )
        self.of_source = {name: outputs[name].detach() for name in self.weights}
        return self.loss(outputs, batch.labels)

    def adapt(self, model: SegModel, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        target, size = target_of(batch), batch.images.shape[-2:]
        outputs = model(target)
        self.networks.requires_grad_(False)
        fooled = [
            weight * verdict(self.networks[name](self.seen(outputs[name], target.shape[-2:])), SOURCE, self.game)
            for name, weight in self.weights.items()
        ]
        yield "adversarial", sum(fooled[1:], fooled[0])
        self.networks.requires_grad_(True)
        guesses = [
            (self.networks[name](self.seen(logits, shape).detach()), domain)
            for name in self.weights
            for logits, shape, domain in (
                (self.of_source[name], size, SOURCE),
                (outputs[name].detach(), target.shape[-2:], TARGET),
            )
        ]
        right = [
            ((logits > (0.5 if self.game == "least_squares" else 0)) == bool(domain)) for logits, domain in guesses
        ]
        self.watched = {"discriminator_accuracy": sum(r.float().mean() for r in right) / len(right)}
        told = [verdict(logits, domain, self.game) / 2 for logits, domain in guesses]
        yield "discriminator", sum(told[1:], told[0])

    def seen(self, logits: Tensor, size: tuple[int, ...]) -> Tensor:
        """What a discriminator sees: the view of the logits at the size of the image."""
        return self.view(F.interpolate(logits, tuple(size), mode="bilinear", align_corners=False))

    def state_dict(self) -> dict[str, Any]:
        return {"networks": self.networks.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.networks.load_state_dict(state["networks"])
