"""Logits and the size of their labels -> bands of logits at that size, one after another, never all of them at once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

ROWS = 32
"""Rows of a band on a CPU: few enough to stay in its cache."""

VALUES = 2**22
"""About how many values a band has on any other device, where a launch costs more than 16 MB."""

Walk = Callable[[Tensor, bool], tuple[Tensor, Callable[[Tensor], Tensor]]]
"""(logits, whether a gradient will be wanted) -> what was computed, and: its gradient -> that of the logits."""


class Bands:
    """Logits (N, K, h, w) at (H, W) = `size` in bands of rows; gradients of the bands -> the gradient of the logits.

    Iterating gives (rows, band): a slice of 0..H and float (N, K, rows, W).  What `add` is given for each band comes
    out of `gradient`, (N, K, h, w).  Resized as by F.interpolate (bilinear, half-pixel centres), with a matrix product
    along the rows and one along the columns: these have an exact transpose and add up in a fixed order on every device.
    Besides the bands, N * K * h * W values are held, and as many for the gradient.
    """

    def __init__(self, logits: Tensor, size: torch.Size) -> None:
        n, k, h, w = logits.shape
        self.h, (self.height, self.width) = h, size
        self.resizes = logits.shape[-2:] != size
        on_cpu = logits.device.type == "cpu"
        self.rows = ROWS if on_cpu else max(ROWS, VALUES // (n * k * self.width))
        self.source = logits
        if self.resizes:
            self.along, self.down = _shares(w, self.width, logits), _shares(h, self.height, logits)
            self.source = logits @ self.along
        self.gathered: Tensor | None = None

    def __iter__(self) -> Iterator[tuple[slice, Tensor]]:
        for top in range(0, self.height, self.rows):
            rows = slice(top, min(top + self.rows, self.height))
            if self.resizes:
                near = self._near(rows)
                yield rows, self.down[near, rows].mT @ self.source[:, :, near]
            else:
                yield rows, self.source[:, :, rows]

    def add(self, rows: slice, gradient: Tensor) -> None:
        """Take in the gradient (N, K, rows, W) of the band `rows`."""
        if self.gathered is None:
            self.gathered = torch.zeros_like(self.source, memory_format=torch.contiguous_format)
        if self.resizes:
            near = self._near(rows)
            self.gathered[:, :, near] += self.down[near, rows] @ gradient
        else:
            self.gathered[:, :, rows] = gradient

    def gradient(self) -> Tensor:
        """The gradient of the logits, (N, K, h, w)."""
        assert self.gathered is not None
        return self.gathered @ self.along.mT if self.resizes else self.gathered

    def _near(self, rows: slice) -> slice:
        """Source rows that `rows` are made of, and one or two more; worked out on the host, which waits for nothing."""
        first, last = rows.start * self.h // self.height - 1, -(-rows.stop * self.h // self.height) + 1
        return slice(max(first, 0), min(last, self.h))


def _shares(n: int, size: int, like: Tensor) -> Tensor:
    """(n, size): what part each of n values has in each of `size` resized ones; torch's own, so it cannot differ."""
    identity = torch.eye(n, dtype=like.dtype, device=like.device)
    return F.interpolate(identity[None], size=size, mode="linear", align_corners=False)[0]


class _ByBands(torch.autograd.Function):
    """`walk`, differentiated by what it gives; by `plain`, which is differentiable as it stands, where that is not
    enough: a gradient that will be differentiated itself."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, walk: Walk, plain: Callable[[Tensor], Tensor]) -> Tensor:
        with _no_autocast(logits.device):
            value, ctx.back = walk(logits.detach(), ctx.needs_input_grad[0])
        ctx.plain = plain
        ctx.save_for_backward(logits)
        return value

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        if torch.is_grad_enabled():
            (logits,) = ctx.saved_tensors
            return torch.autograd.grad(ctx.plain(logits), logits, above, create_graph=True)[0], None, None
        with _no_autocast(above.device):
            return ctx.back(above), None, None


def by_bands(logits: Tensor, walk: Walk, plain: Callable[[Tensor], Tensor]) -> Tensor:
    """What `walk` computes from `logits` (N, K, h, w) band by band; `plain` is the same, written for autograd.

    On tensors without memory bands save nothing, and what counts multiply-adds there is to see the network's own.
    """
    if logits.is_meta:
        return plain(logits)
    value: Tensor = _ByBands.apply(logits, walk, plain)  # type: ignore[no-untyped-call]
    return value


def _no_autocast(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Logits are float32 or float64 here, and so is all that is done with them, whatever the caller's precision."""
    if torch.amp.is_autocast_available(device.type):
        return torch.autocast(device.type, enabled=False)
    return contextlib.nullcontext()
