"""Probabilities -> soft neighbourhood density: whether pixels that are alike have many such neighbours."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.batches import draws
from bench.selection.view import View

PIXELS, TEMPERATURE = 100, 0.05


class Density:
    """`snd`: 100 pixels drawn from each image, the softmax over their likeness to each other, its mean entropy.

    The pixels of an image are the same at every evaluation and for every run.

    Source: SND, arXiv 2108.10860.  Differs from the published code for segmentation in: a pixel is not
    its own neighbour, as in the paper and in the code for classification.
    """

    def __init__(self, device: torch.device) -> None:
        self.total = torch.zeros((), dtype=torch.float64, device=device)
        self.images = 0

    def see(self, view: View) -> None:
        flat = view.log.flatten(2).mT  # (B, P, K)
        size = flat.shape[1]
        drawn = [
            torch.from_numpy(draws(0, 0, view.first + i, "density").choice(size, min(PIXELS, size), replace=False))
            for i in range(len(flat))
        ]
        index = torch.stack(drawn).to(flat.device, non_blocking=True)
        chosen = flat.gather(1, index[..., None].expand(-1, -1, flat.shape[2])).exp()
        self.total += density(chosen).sum(dtype=torch.float64)
        self.images += len(flat)

    def values(self) -> dict[str, Tensor]:
        return {"snd": self.total / self.images}


def density(probabilities: Tensor) -> Tensor:
    """(B, P, K) -> (B,): the mean entropy of each pixel's softmax over all others; nan where there is no other."""
    unit = F.normalize(probabilities, dim=2)
    likeness = unit @ unit.mT / TEMPERATURE
    number = likeness.shape[1]
    alone = torch.eye(number, dtype=torch.bool, device=likeness.device)
    log = likeness.masked_fill(alone, -torch.inf).log_softmax(2)
    return -(log.exp() * log.masked_fill(alone, 0)).sum(2).mean(1)
