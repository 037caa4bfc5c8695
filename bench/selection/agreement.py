"""Two sets of predictions -> the share of pixels in which they agree."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.selection.view import View


class Agreement:
    """`consistency`: with the same images mirrored and in other colours.

    `agreement`: with a teacher, where the method has one.
    """

    def __init__(self, device: torch.device) -> None:
        self.same = torch.zeros(2, dtype=torch.int64, device=device)
        self.pixels, self.taught = 0, False

    def see(self, view: View) -> None:
        winners = view.log.argmax(1)
        self.same[0] += (winners == view.altered).sum()
        self.pixels += winners.numel()
        if view.taught is not None:
            self.taught = True
            self.same[1] += (winners == view.taught).sum()

    def values(self) -> dict[str, Tensor]:
        consistency, agreement = self.same.double() / self.pixels
        return {"consistency": consistency, **({"agreement": agreement} if self.taught else {})}
