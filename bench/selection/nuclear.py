"""Probabilities -> batch nuclear norm: predictions that are sure and of many classes at once."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bench.selection.view import View


class Nuclear:
    """`bnm`: the nuclear norm of all pixels' probabilities (P, K) over its bound, the square root of P x K.

    Singular values are the roots of the eigenvalues of a K x K product, so no pixel need be kept.

    Source: BNM, arXiv 2003.12237.  Differs from the paper in: one norm over the pixels of all images, not
    of a batch; divided by its bound, which makes it 1 for sure predictions that are evenly spread over the classes.
    """

    def __init__(self, num_classes: int, device: torch.device) -> None:
        self.products = torch.zeros(num_classes, num_classes, dtype=torch.float64, device=device)
        self.pixels = 0

    def see(self, view: View) -> None:
        probabilities = view.log.exp().movedim(1, 0).flatten(1).double()
        self.products += probabilities @ probabilities.mT
        self.pixels += probabilities.shape[1]

    def values(self) -> dict[str, Tensor]:
        products = self.products.cpu()  # a few numbers, and the end: here the host may wait
        if not products.isfinite().all():
            return {}  # no eigenvalues
        squares: Tensor = torch.linalg.eigvalsh(products)
        return {"bnm": squares.clamp(min=0).sqrt().sum() / math.sqrt(self.pixels * len(squares))}
