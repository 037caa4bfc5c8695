"""Which images a pass sees: build(counts, *, options) -> f(generator) -> numbers of the images, in order.  No torch.

`counts` int64 (N, K) holds the pixels of class k in image n, `generator` is numpy's, seeded for that pass; N numbers
come back, int64 (N,).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    Sampler = Callable[[np.random.Generator], np.ndarray]

SAMPLERS = {
    "class_balanced": "bench.samplers.class_balanced:class_balanced",
    "rare_class": "bench.samplers.rare_class:rare_class",
    "uniform": "bench.samplers.uniform:uniform",
}
