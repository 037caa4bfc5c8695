"""What a scoring promises: a winner for every pixel, the same whenever it is asked."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.contracts.promise import CLASSES, Promise, Subject


def _forward(images: Tensor) -> Tensor:
    """Logits of a network that looks at each pixel's colours alone."""
    weights = torch.randn(CLASSES, 3, generator=torch.Generator().manual_seed(0))
    return torch.einsum("kc,nchw->nkhw", weights, images)


def _always(images: Tensor) -> Tensor:
    return (
        torch.nn.functional.one_hot(torch.tensor(3), CLASSES)[None, :, None, None].float().expand(len(images), -1, 4, 4)
    )


def winners(subject: Subject) -> str:
    images, score = torch.randn(3, 3, 40, 56, generator=torch.Generator().manual_seed(1)), subject.build()
    for size in ((40, 56), (80, 112)):
        found = list(score(_forward, images, size))
        if len(found) != 3 or any(w.shape != size or w.dtype != torch.uint8 for w in found):
            told = [(w.dtype, tuple(w.shape)) for w in found]
            return f"{told} for three images of {size}"
    if any((w != 3).any() for w in score(_always, images, (40, 56))):
        return "another class than the one that wins everywhere"
    return ""


def twice(subject: Subject) -> str:
    images, score = torch.randn(2, 3, 40, 56, generator=torch.Generator().manual_seed(1)), subject.build()
    pairs = zip(score(_forward, images, (40, 56)), score(_forward, images, (40, 56)), strict=True)
    return "" if all(torch.equal(a, b) for a, b in pairs) else "asked twice it gives two answers"


PROMISES = (
    Promise("a winner for each pixel of each image", winners, "yield uint8 (H, W) of label size per image, in order"),
    Promise("the same answer twice", twice, "draw no random numbers"),
)
