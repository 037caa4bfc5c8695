"""Rare classes more often than common ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.samplers.shown import check_min_pixels, class_first
from bench.spec import BenchError

if TYPE_CHECKING:
    from bench.samplers import Sampler


def rare_class(counts: np.ndarray, *, temperature: float = 0.01, min_pixels: int = 3000) -> Sampler:
    """Rare classes more often: a class is drawn by softmax((1 - f) / temperature), then an image that shows it.

    f is the class's share of all labelled pixels of `counts` int64 (N, K).  The image is one of those with more than
    `min_pixels` of the class; see `class_first` for classes that are hardly shown.  Raises BenchError for a temperature
    that is not above 0.  DAFormer, Hoyer et al., CVPR 2022, section 3.3.  Differs from the paper in: a crop is not
    drawn again until it shows the class.
    """
    check_min_pixels("rare_class", min_pixels)
    if not temperature > 0:
        raise BenchError(f"{temperature} is out of range", remedy="choose more than 0", key="sampler.temperature")
    shares = counts.sum(0) / max(1, counts.sum())
    shown = np.where(shares > 0, shares, np.inf)  # the rarest that is shown has exponent 0: nothing overflows
    chances = np.exp((np.min(shown, initial=1.0) - shown) / temperature)
    return class_first(counts, chances, min_pixels)
