"""What a method promises: finite losses, one result for one seed, a run that can be resumed, a network to score."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn

from bench import names
from bench.batches import Batch
from bench.contracts.promise import CLASSES, Promise, Subject
from bench.contracts.stand_ins import SmallNet, batch_of, images_of, target_images
from bench.methods.method import Method, Setting
from bench.models.segmodel import SegModel
from bench.optimizers.sgd import sgd
from bench.spec import Component
from bench.train import train

STEPS = 6
CPU = torch.device("cpu")


@dataclass
class Under:
    """A method under way on a small network."""

    model: SmallNet
    method: Method
    optimizers: tuple[torch.optim.Optimizer, ...]

    def go(
        self, steps: int = STEPS, start: int = 0, batches: Callable[[int], Batch] = batch_of
    ) -> dict[str, list[Any]]:
        """Updates `start` + 1 .. `steps`; the losses by name."""
        return gone_through(self.model, self.method, self.optimizers, map(batches, count(start)), steps, start)


def gone_through(
    model: SegModel,
    method: Method,
    optimizers: tuple[torch.optim.Optimizer, ...],
    batches: Iterator[Batch],
    steps: int,
    start: int,
    lr_factor: Callable[[int], float] = lambda step: 1.0,
) -> dict[str, list[Any]]:
    """The loop from `start` updates to `steps` on the CPU; every loss by name, None where there was none."""
    loop = train(
        model,
        method,
        optimizers,
        batches,
        steps=steps,
        lr_factor=lr_factor,
        pause=lambda step: False,
        device=CPU,
        start=start,
    )
    losses: dict[str, list[Any]] = {}
    for progress in loop:
        for name, values in progress.losses.items():
            losses.setdefault(name, []).extend(values)
    return losses


def started(subject: Subject, seed: int = 1) -> Under:
    """The method attached to a small network, nothing learnt."""
    torch.manual_seed(seed)
    model = SmallNet()
    method: Method = subject.build(names.build("loss", Component(name="cross_entropy")), CLASSES)
    optimizer = sgd([{"params": list(model.parameters())}], lr=0.05)
    shares = (1 / CLASSES,) * CLASSES
    more = {"network": lambda *_: SmallNet(width=9)}  # a teacher, for those that ask for one
    method.attach(
        model,
        Setting(
            device=CPU, steps=STEPS, seed=7, num_classes=CLASSES, target=target_images(), source_shares=shares, **more
        ),
    )
    return Under(model, method, (optimizer, *method.optimizers))


def finite(subject: Subject) -> str:
    under = started(subject)
    losses = under.go(batches=lambda step: batch_of(step, void=step == 2))
    if not losses:
        return "it yields no loss"
    for name, values in losses.items():
        wild = [v for v in values if v is not None and not abs(v) < 1e6]
        if wild:
            return f"`{name}` is {wild[0]}"
    wild_weights = [key for key, p in under.model.named_parameters() if not p.isfinite().all()]
    return f"weights that are not finite: {wild_weights[0]}" if wild_weights else ""


def one_seed(subject: Subject) -> str:
    ends: list[dict[str, Tensor]] = []
    for _ in range(2):
        under = started(subject)
        under.go(3)
        ends.append(under.model.state_dict())
    return _differing(ends[0], ends[1], "two runs of one seed end apart")


def goes_on(subject: Subject) -> str:
    whole, half = started(subject), started(subject)
    whole.go()
    half.go(3)
    saved = half.model.state_dict(), half.method.state_dict(), [o.state_dict() for o in half.optimizers]
    draws, other = torch.get_rng_state(), started(subject, seed=2)
    other.model.load_state_dict(saved[0])
    other.method.load_state_dict(saved[1])
    for optimizer, state in zip(other.optimizers, saved[2], strict=True):
        optimizer.load_state_dict(state)
    torch.set_rng_state(draws)
    other.go(start=3)
    return _differing(
        whole.model.state_dict(), other.model.state_dict(), "gone on with after 3 of 6 updates it ends elsewhere"
    )


def _differing(one: dict[str, Tensor], other: dict[str, Tensor], what: str) -> str:
    keys = [key for key in one if not torch.equal(one[key], other[key])]
    return f"{what}: {', '.join(keys[:3])}" if keys else ""


def scored(subject: Subject) -> str:
    under = started(subject)
    under.go(2)
    before = {key: value.clone() for key, value in under.model.state_dict().items()}
    network: nn.Module = under.method.adapted(under.model)
    with torch.no_grad():
        logits = network.eval()(images_of(5))["out"]
    if logits.shape[:2] != (2, CLASSES) or not logits.isfinite().all():
        return f"the network to score gives {tuple(logits.shape)}, or what is not finite"
    if network is under.model:
        return ""
    return _differing(before, under.model.state_dict(), "it changes the network that goes on training")


PROMISES = (
    Promise("finite losses, also where nothing is labelled", finite, "divide by counts of at least 1"),
    Promise("one seed gives one run", one_seed, "draw from batch.generator(purpose) alone"),
    Promise(
        "it goes on from its state", goes_on, "give all state of your own in state_dict(); networks' optimizers apart"
    ),
    Promise("a network to score, the trained one untouched", scored, "copy the model in adapted() before changing it"),
)
