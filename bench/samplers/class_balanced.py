"""Every class equally often."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.samplers.shown import check_min_pixels, class_first

if TYPE_CHECKING:
    from bench.samplers import Sampler


def class_balanced(counts: np.ndarray, *, min_pixels: int = 0) -> Sampler:
    """Every class equally often: a class is drawn, then an image with more than `min_pixels` of it.

    `counts` int64 (N, K); see `class_first` for classes that are hardly shown.  After class uniform sampling, Zhu et
    al., Improving semantic segmentation via video propagation and label relaxation, CVPR 2019.  Differs from the paper
    in: crops are placed at random, not around the class; every pass is drawn so, not half of them.
    """
    check_min_pixels("class_balanced", min_pixels)
    return class_first(counts, np.ones(counts.shape[1]), min_pixels)
