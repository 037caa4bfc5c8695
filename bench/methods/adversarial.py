"""A discriminator guesses the domain from the network's output, and the network learns to make it guess wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import torch
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
    capturable: ClassVar[bool] = True

    def __init__(
        self, loss: Loss, num_classes: int, view: View, weights: Mapping[str, float], *, lr: float, game: Game
    ) -> None:
        super().__init__(loss)
        self.num_classes, self.view, self.weights = num_classes, view, weights
        self.lr, self.game = lr, game

    def attach(self, model: SegModel, setting: Setting) -> None:
        networks = {name: Discriminator(self.num_classes) for name in self.weights}
        self.networks = nn.ModuleDict(networks).to(setting.device)
        self.optimizers = (adam([{"params": list(self.networks.parameters())}], lr=self.lr, betas=(0.9, 0.99)),)

    def note(self, outputs: Mapping[str, Tensor]) -> None:
        for name in self.weights.keys() - outputs.keys():
            raise BenchError(
                f"several levels need the output '{name}', and the model gives only {', '.join(sorted(outputs))}",
                remedy="set `multi_level: false`, or use a model with `aux: true` (pidnet_s, pidnet_m, pidnet_l)",
                key="method",
            )
        self.of_source = {name: outputs[name].detach() for name in self.weights}

    def adapt(self, model: SegModel, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        target = target_of(batch)
        outputs = model(target)
        of_target = {name: outputs[name].detach() for name in self.weights}
        self.networks.requires_grad_(False)
        yield "adversarial", self.fooling(outputs, target.shape[-2:])
        del outputs
        self.networks.requires_grad_(True)
        yield "discriminator", self.telling(of_target, batch.images.shape[-2:], target.shape[-2:])

    def fooling(self, outputs: Mapping[str, Tensor], size: torch.Size) -> Tensor:
        """How far the discriminators are from taking these outputs on the target for ones on the source, weighted."""
        parts = [weight * self.judged(name, outputs[name], size, SOURCE)[1] for name, weight in self.weights.items()]
        return torch.stack(parts).sum()

    def telling(self, of_target: Mapping[str, Tensor], source_size: torch.Size, target_size: torch.Size) -> Tensor:
        """How far the discriminators are from telling both domains, half of it for each."""
        judged = [self.judged(name, self.of_source[name], source_size, SOURCE) for name in self.weights]
        judged += [self.judged(name, of_target[name], target_size, TARGET) for name in self.weights]
        self.watched = {"discriminator_accuracy": torch.stack([right for right, _ in judged]).mean()}
        return torch.stack([loss for _, loss in judged]).sum() / 2

    def judged(self, name: str, logits: Tensor, size: torch.Size, domain: float) -> tuple[Tensor, Tensor]:
        """The share of patches of `logits` that a discriminator takes for `domain`, and how far it is from that."""
        seen = self.view(F.interpolate(logits, size, mode="bilinear", align_corners=False))
        said = self.networks[name](seen)
        right = (said > (0.5 if self.game == "least_squares" else 0.0)) == (domain == TARGET)
        return right.float().mean(), verdict(said, domain, self.game)

    def state_dict(self) -> dict[str, Any]:
        return {"networks": self.networks.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.networks.load_state_dict(state["networks"])
