"""Every image once a pass, in another order each time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bench.samplers import Sampler


def uniform(counts: np.ndarray) -> Sampler:
    """Every image once a pass, in another order each time."""
    return lambda generator: generator.permutation(len(counts))
