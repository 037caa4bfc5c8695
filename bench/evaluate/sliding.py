"""Large images, window by window -> their winners by the mean of the logits wherever windows overlap.

Windows go row by row, and rows of labels that no later window reaches are decided at once, so that the memory for
logits is that of one row of windows, however tall the image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from bench.evaluate.views import mirrored
from bench.evaluate.winner import largest, winner
from bench.spec import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from bench.evaluate import Forward, Scoring

AT_ONCE = 8
"""Windows per forward pass: a constant, so that scores do not move with the training batch."""


def sliding(
    *, window_px: tuple[int, int] = (512, 512), stride_px: tuple[int, int] = (256, 256), flips: bool = False
) -> Scoring:
    """Large images in windows of `window_px`, one every `stride_px`; the mean of the logits decides.

    Both are (height, width) in pixels of the images; the last window of a row or column moves back to end with the
    image.  Logits are averaged at label resolution.  With `flips` each window is also seen mirrored.  Raises BenchError
    for windows that leave gaps.
    """
    for key, side, window in zip(("height", "width"), stride_px, window_px, strict=True):
        if not 1 <= side <= window:
            problem = f"a stride of {side} does not fit windows of {window} ({key})"
            raise BenchError(problem, remedy="choose a stride from 1 to the window's side", key="scoring.stride_px")

    def score(forward: Forward, images: Tensor, size: tuple[int, int]) -> Iterator[Tensor]:
        for image in images:
            sides = zip(image.shape[-2:], size, window_px, stride_px, strict=True)
            rows, columns = (Side(*numbers) for numbers in sides)
            yield _slide(forward, image, rows, columns, flips)

    return score


class Side:
    """One side of an image: where its windows begin and which labels they reach."""

    def __init__(self, image: int, labels: int, window: int, stride: int) -> None:
        self.image, self.labels, self.window = image, labels, min(window, image)
        last = image - self.window
        self.starts = [*range(0, last, stride), last]

    def edge(self, pixel: int) -> int:
        """The first label whose centre is not before `pixel` of the image."""
        return -((self.image - 2 * pixel * self.labels) // (2 * self.image))

    def taps(self, start: int, logits: int, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """For each label of the window at `start`, over which `logits` values lie: its two neighbours and the share of
        the second."""
        centres = torch.arange(self.edge(start), self.edge(start + self.window), device=like.device) + 0.5
        place = (centres * (self.image / self.labels) - start) * (logits / self.window) - 0.5
        before = place.clamp_(0, logits - 1).long()
        return before, (before + 1).clamp_(max=logits - 1), (place - before).to(like.dtype)


def _slide(forward: Forward, image: Tensor, rows: Side, columns: Side, flips: bool) -> Tensor:
    """(3, h, w) -> uint8 (H, W)."""
    if rows.starts == columns.starts == [0]:
        first, *others = (view[0] for view in mirrored(forward, image[None], flips))
        return winner(first, (rows.labels, columns.labels), others)
    winners = torch.empty(rows.labels, columns.labels, dtype=torch.uint8, device=image.device)
    begin, left = 0, None  # the first row that is not decided; what earlier windows say of the rows from there on
    for top, following in zip(rows.starts, [*rows.starts[1:], rows.image], strict=True):
        total = _row_of_windows(forward, image, rows, columns, top, flips)
        if left is not None:
            total[:, : left.shape[1]] += left
        end = rows.edge(following)
        winners[begin:end] = largest(total[:, : end - begin])
        begin, left = end, total[:, end - begin :].clone()
    return winners


def _row_of_windows(forward: Forward, image: Tensor, rows: Side, columns: Side, top: int, flips: bool) -> Tensor:
    """The added logits (K, labels of the windows, W) of all windows that begin at row `top`."""
    total: Tensor | None = None
    for i in range(0, len(columns.starts), AT_ONCE):
        several = columns.starts[i : i + AT_ONCE]
        windows = [image[:, top : top + rows.window, start : start + columns.window] for start in several]
        for view in mirrored(forward, torch.stack(windows), flips):
            for logits, start in zip(view, several, strict=True):
                if total is None:
                    height = rows.edge(top + rows.window) - rows.edge(top)
                    total = logits.new_zeros(len(logits), height, columns.labels)
                reach = slice(columns.edge(start), columns.edge(start + columns.window))
                total[:, :, reach] += _resampled(logits, rows, columns, top, start)
    assert total is not None
    return total


def _resampled(logits: Tensor, rows: Side, columns: Side, top: int, start: int) -> Tensor:
    """(K, h, w) of one window -> its labels' rows and columns, bilinear as align_corners=False places them.

    Taps are worked out from the place in the image, so that windows agree whatever the ratio of images to labels.
    """
    for dim, side, begin in ((2, columns, start), (1, rows, top)):
        if logits.shape[dim] == side.window and side.image == side.labels:
            continue
        before, after, share = side.taps(begin, logits.shape[dim], logits)
        share = share if dim == 2 else share[:, None]
        logits = logits.index_select(dim, before).lerp_(logits.index_select(dim, after), share)
    return logits
