"""Logits -> the class that wins each pixel, at label resolution.

`argmax(dim=1)` over (K, H, W) strides through memory a plane at a time and costs thirty times what counting does.  Here
classes compete plane by plane in blocks that stay in cache, and logits are resampled in bands of rows, so that
full-resolution logits of even one image never exist on the CPU.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

BAND_PX = 2**18
"""Pixels that compete at a time on the CPU: a float32 plane of 1 MiB, so that two of them fit in a core's own cache."""


def winner(logits: Tensor, size: tuple[int, int], others: Sequence[Tensor] = ()) -> Tensor:
    """(K, h, w) -> uint8 (H, W): the class of the largest logit after resampling to `size`, the lowest on a tie.

    `others` are more logits of the same image, (K, any, any), resampled too and added: the mean of all decides.
    """
    views = [view.float() if view.dtype in (torch.float16, torch.bfloat16) else view for view in (logits, *others)]
    if logits.device.type == "cpu":
        bands = zip(*(_bands(view, size) for view in views), strict=True)
        return torch.cat([compete(_added(planes)) for planes in bands])
    return _winner_at_once(views, size)


def _winner_at_once(views: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    """The same in the fewest kernels, at the price of one image's full-resolution logits: for accelerators."""
    grown = (
        v if v.shape[1:] == size else interpolate(v[None], size, mode="bilinear", align_corners=False)[0] for v in views
    )
    total = next(grown)
    for view in grown:
        total = total + view
    return largest(total)


def largest(logits: Tensor) -> Tensor:
    """(K, H, W) -> uint8 (H, W): the class of the largest logit, the lowest on a tie."""
    return compete(logits) if logits.device.type == "cpu" else logits.max(0).indices.to(torch.uint8)


def _added(views: Sequence[Iterable[Tensor]]) -> Iterable[Tensor]:
    """Planes of each view -> their sum, class by class."""
    return views[0] if len(views) == 1 else (torch.stack(planes).sum(0) for planes in zip(*views, strict=True))


def compete(planes: Iterable[Tensor]) -> Tensor:
    """Planes of class 0, 1, ... -> uint8 plane of winners; a class beats all before it and has the larger index."""
    planes = iter(planes)
    best = next(planes)
    winner = torch.zeros(best.shape, dtype=torch.uint8)
    for k, plane in enumerate(planes, 1):
        torch.maximum(winner, (plane > best).view(torch.uint8).mul_(k), out=winner)
        best = torch.maximum(best, plane)
    return winner


def _bands(logits: Tensor, size: tuple[int, int]) -> Iterator[Iterable[Tensor]]:
    """(K, h, w) -> for each band of rows from the top, K planes (rows, W) of the logits resampled to `size`."""
    height, width = size
    rows = max(1, BAND_PX // width)
    if logits.shape[1:] == size:
        yield from (logits[:, top : top + rows] for top in range(0, height, rows))
        return
    above, below, weight = _taps(logits.shape[1], height, logits.dtype)
    for top in range(0, height, rows):
        band = slice(top, top + rows)
        low, high = int(above[band][0]), int(below[band][-1]) + 1
        # Columns are left to torch; rows are two taps, which torch offers for whole images only.
        wide = interpolate(logits[None, :, low:high], (high - low, width), mode="bilinear", align_corners=False)[0]
        first, second, share = above[band] - low, below[band] - low, weight[band]
        yield (plane.index_select(0, first).lerp_(plane.index_select(0, second), share) for plane in wide)


def _taps(old: int, new: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Rows above and below each new row and the share (new, 1) of the lower one, as align_corners=False places them.

    In the dtype of the logits as torch does it: exact places would differ from torch's by more than rounding.
    """
    place = ((torch.arange(new, dtype=dtype) + 0.5) * (torch.tensor(old, dtype=dtype) / new) - 0.5).clamp_(min=0)
    above = place.long().clamp_(max=old - 1)
    return above, (above + 1).clamp_(max=old - 1), (place - above)[:, None]
