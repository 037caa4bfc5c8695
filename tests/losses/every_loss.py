"""All losses of the table with options that make them look at every output they can, and what a step makes of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bench import names
from bench.losses import LOSSES
from bench.spec import Component

OPTIONS = {
    "combined": {
        "parts": [
            {"name": "cross_entropy", "aux_weight": 0.4},
            {"name": "dice", "aux_weight": 0.4},
            {"name": "ohem", "aux_weight": 0.4, "min_kept": 100, "weight": 0.5},
        ]
    },
    "ohem": {"aux_weight": 0.4, "min_kept": 100},
    "pidnet": {"min_kept": 100, "boundary_threshold": 0.5},
}
MINED = ("ohem", "pidnet")
"""Losses with `min_kept`."""

HEADS = {name: ("boundary",) if name == "boundary" else ("aux", "out") for name in LOSSES}
"""What a loss learns from, with these options, and where it is blind to void."""


def build(name: str, **options: object) -> Callable[[dict[str, Tensor], Tensor], Tensor]:
    usual = {"aux_weight": 0.4} if "aux_weight" in names.options("loss", name) else {}
    return names.build("loss", Component(name=name, options={**usual, **OPTIONS.get(name, {}), **options}))


def gradients(name: str, outputs: dict[str, Tensor], labels: Tensor) -> tuple[float, dict[str, Tensor]]:
    """Value of the loss and its gradient with respect to every output that it used."""
    for logits in outputs.values():
        logits.grad = None
    value = build(name)(outputs, labels)
    value.backward()
    return value.item(), {key: logits.grad for key, logits in outputs.items() if logits.grad is not None}


def by_autograd(logits: Tensor, size: torch.Size) -> Tensor:
    """Full-size probabilities, as everybody writes them."""
    full = torch.nn.functional.interpolate(logits, tuple(size), mode="bilinear")
    return full.softmax(1)
