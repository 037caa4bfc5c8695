"""A batch -> the same batch with objects of rare classes pasted from sample to sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.augment.limits import amount, probability
from bench.augment.samples import other, stacked, uniforms
from bench.spec import IGNORE, BenchError

if TYPE_CHECKING:
    from bench.augment import Transform


def copy_blob(*, pairs: tuple[tuple[int, int], ...], max_share: float = 0.25, p: float = 1.0) -> Transform:
    """Pastes all pixels of a class of another sample on a random pixel of a second class, for each of `pairs`.

    Gives f(images (N, 3, H, W), labels (N, H, W), generator on the CPU) -> (images, labels).  `pairs` are
    (class to copy, class to put it on), each tried in turn with probability `p` and a partner of its own: where the
    partner shows the first class and the sample the second, the copied pixels move so that the one nearest to the top
    left corner lands on a random pixel of the second class.  What would fall outside is left out, and nothing is
    pasted where it would cover more than `max_share` of the sample.  A batch of one stays as it is.  Raises BenchError
    for no pairs, a pair of equal classes or of codes that are none, and for a `max_share` or `p` outside [0, 1].

    Source: CopyBlob of hoya012/semantic-segmentation-tutorial-pytorch; on Cityscapes it was used with
    [[3, 1], [4, 1], [15, 0], [16, 0]] (wall and fence on sidewalk, bus and train on road).  Differs from it in: pixels
    beyond the border are dropped, not moved onto it or wrapped round; never from the sample itself; bounded area; what
    is copied is what the partner showed before this call.
    """
    for pair in pairs:
        if len(pair) != 2 or pair[0] == pair[1] or not all(0 <= code < IGNORE for code in pair):
            raise _no_pairs(f"{tuple(pair)} among the pairs of copy_blob is no pair of two classes")
    if not pairs:
        raise _no_pairs("copy_blob has no pairs")
    amount("copy_blob", "max_share", max_share, 0.0, 1.0)
    probability("copy_blob", p)

    def transform(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        if len(images) == 1:
            return images, labels
        samples = []
        for i, draws in enumerate(uniforms(generator, len(images), 3 * len(pairs))):
            image, label = images[i], labels[i]
            for k, (copied, ground) in enumerate(pairs):
                chance, partner, spot = draws[3 * k : 3 * k + 3]
                if chance < p:
                    j = other(partner, i, len(images))
                    blob, free = labels[j] == copied, label == ground
                    if label.device.type == "cpu" and not (blob.any() and free.any()):
                        continue  # nothing would land; asking spares work here, but would make a device wait
                    lands, origin = landing(blob, free, spot, max_share)
                    moved = images[j].flatten(1).index_select(1, origin.flatten()).view_as(image)
                    image, label = torch.where(lands, moved, image), label.masked_fill(lands, copied)
            samples.append((image, label))
        return stacked(samples)

    return transform


def _no_pairs(problem: str) -> BenchError:
    return BenchError(problem, remedy="write [[class to copy, class to put it on], ...]", key="augment.pairs")


def landing(blob: Tensor, free: Tensor, spot: float, max_share: float) -> tuple[Tensor, Tensor]:
    """Where the pixels of `blob` land when its first one moves to a pixel of `free`, and which pixel each place shows.

    From boolean (H, W) each; gives a boolean (H, W) and int64 (H, W), places in the flat image; what would show a pixel
    outside never lands.  The first pixel is the one nearest to the top left corner; `spot` in [0, 1) chooses among
    `free` in reading order.  The host learns nothing of either, so no device is waited for.
    """
    height, width = blob.shape
    row, column = torch.arange(height, device=blob.device)[:, None], torch.arange(width, device=blob.device)
    first = torch.where(blob, row + column, height + width).flatten().argmin()
    counts = free.flatten().cumsum(0)
    chosen = (counts <= (counts[-1].double() * spot).long()).sum()
    rows = row - (chosen // width - first // width)
    columns = column - (chosen % width - first % width)
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width) & (counts[-1] > 0)
    origin = rows.clamp_(0, height - 1) * width + columns.clamp_(0, width - 1)
    lands = blob.flatten().index_select(0, origin.flatten()).view_as(blob) & inside
    return lands & (lands.sum() <= max_share * height * width), origin
