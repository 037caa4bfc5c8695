"""Segmentation losses: build(**options) -> f(outputs, labels) -> scalar.

A loss that depends on how common the classes are has `fit(counts)`, called once before the first step: int64 (N, K),
the pixels of class k in labelled image n.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    Loss = Callable[[dict[str, Tensor], Tensor], Tensor]

LOSSES = {
    "boundary": "bench.losses.boundary:boundary",
    "combined": "bench.losses.combined:combined",
    "cross_entropy": "bench.losses.cross_entropy:cross_entropy",
    "dice": "bench.losses.dice:dice",
    "focal": "bench.losses.focal:focal",
    "jaccard": "bench.losses.jaccard:jaccard",
    "lovasz": "bench.losses.lovasz:lovasz",
    "ohem": "bench.losses.ohem:ohem",
    "pidnet": "bench.losses.pidnet:pidnet",
    "tversky": "bench.losses.tversky:tversky",
}
