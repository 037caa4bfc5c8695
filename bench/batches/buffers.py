"""Memory for batches that is taken again once nobody holds what lay in it.

Fresh memory comes page by page, each one zeroed by the system when it is first touched: on the CPU that costs several
times what is then written there.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

KEPT = 8
"""Blocks that are remembered: three of a batch, twice, and some for whoever looks back."""

_ALIGNED = 64


class Buffers:
    """Blocks of host memory.

    A tensor over a numpy array holds the array as long as anything, a view or a graph, holds its memory, so the number
    of references to an array tells whether its memory is free.
    """

    def __init__(self) -> None:
        self._kept: list[np.ndarray] = []
        self._sizes: list[int] = []
        self._idle = 0

    def take(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """An uninitialised tensor on the CPU."""
        size = math.prod(shape) * dtype.itemsize
        for place, kept in enumerate(self._sizes):
            if kept == size and self._holders(place) == self._idle:
                return _over(self._kept[place], size, shape, dtype)
        self._kept = [*self._kept[-KEPT + 1 :], np.empty(size + _ALIGNED, np.uint8)]
        self._sizes = [*self._sizes[-KEPT + 1 :], size]
        self._idle = self._holders(-1)
        return _over(self._kept[-1], size, shape, dtype)

    def _holders(self, place: int) -> int:
        return sys.getrefcount(self._kept[place])


def _over(array: np.ndarray, size: int, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    first = -array.ctypes.data % _ALIGNED
    return torch.from_numpy(array[first : first + size]).view(dtype).view(*shape)
