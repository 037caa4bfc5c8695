"""A network and labelled images -> confusion counts per image (row = label, column = prediction), at label resolution.

Scores are in `bench.scores`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.evaluate.whole import whole
from bench.evaluate.winner import winner
from bench.spec import IGNORE, BenchError, ExitCode

if TYPE_CHECKING:
    from bench.evaluate import Scoring
    from bench.models.segmodel import SegModel

LANES = 64
"""Copies of the table that an accelerator adds into: neighbouring pixels share a class and would queue for one bin."""


def evaluate(
    model: SegModel, batches: Iterable[tuple[Tensor, Tensor]], num_classes: int, scoring: Scoring | None = None
) -> Tensor:
    """Confusion counts of every image: int64 (N, K, K) on the CPU, in the order of `batches`.

    `batches`: (images float (B, 3, h, w), normalised; labels uint8 (B, H, W) in 0..K-1 or IGNORE).  Logits are
    resampled bilinearly (align_corners=False) to (H, W) before the largest wins, the lowest class on a tie; pixels
    labelled IGNORE are in no count.  `scoring` says how an image is looked at: `whole` unless given.  Sum over N for
    the score of a domain.  The model runs in eval mode on its own device and every module's mode is put back; on CUDA
    the host waits once, for the final copy.

    Raises BenchError (DATA) naming the image when a label is neither a class nor IGNORE.
    """
    parts: list[Tensor] = []
    images_seen = 0
    with evaluating(model):
        # inference_mode must not enclose next(batches): whatever a loader caches there could never be trained on.
        for images, labels in batches:
            tallies = _tally_batch(model, images, labels, num_classes, scoring or whole())
            if not tallies.is_cuda:
                _counts(tallies, images_seen)  # tell of a wrong label now; on CUDA that would wait for the device
            parts.append(tallies)
            images_seen += len(labels)
    if not parts:
        return torch.zeros(0, num_classes, num_classes, dtype=torch.int64)
    return _counts(torch.cat(parts).cpu())


def predict(model: SegModel, images: Tensor, size: tuple[int, int], scoring: Scoring | None = None) -> Tensor:
    """The winning class of every pixel, for pictures: images (B, 3, h, w) -> uint8 (B, *size) on the CPU."""
    found = torch.empty(len(images), *size, dtype=torch.uint8)
    with evaluating(model), torch.inference_mode():
        winners = (scoring or whole())(lambda batch: model(batch)["out"], images.to(_device(model, images)), size)
        for place, one in zip(found, winners, strict=True):
            place.copy_(one)
    return found


@torch.no_grad()
def confusion_update(counts: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """`counts` with a batch added in place: int64 (K, K), or (B, K, K) to keep the images apart.

    logits float (B, K, h, w), resampled where (h, w) is not the labels' size; labels uint8 (B, H, W) in 0..K-1 or
    IGNORE.  Raises BenchError (DATA) for any other label, `counts` untouched; on CUDA this check waits for the device.
    """
    classes, (height, width) = counts.shape[-1], labels.shape[1:]
    winners = (winner(one, (height, width)) for one in _checked(logits, len(labels), classes))
    batch = _counts(_tally(winners, labels, classes))
    counts += batch if counts.ndim == 3 else batch.sum(0)
    return counts


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Every module in eval mode; afterwards each in its own former mode (a frozen BatchNorm differs from the rest)."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _device(model: torch.nn.Module, images: Tensor) -> torch.device:
    parameter = next(model.parameters(), None)
    return images.device if parameter is None else parameter.device


@torch.inference_mode()
def _tally_batch(model: SegModel, images: Tensor, labels: Tensor, num_classes: int, scoring: Scoring) -> Tensor:
    device = _device(model, images)
    images, labels = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
    height, width = labels.shape[1:]
    winners = scoring(lambda batch: _checked(model(batch)["out"], len(batch), num_classes), images, (height, width))
    return _tally(winners, labels, num_classes)


def _checked(logits: Tensor, images: int, num_classes: int) -> Tensor:
    if len(logits) != images or logits.shape[1] != num_classes or not 1 <= num_classes < IGNORE:
        raise ValueError(f"logits {tuple(logits.shape)} do not fit {images} images, {num_classes} classes")
    return logits


# ------------------------------------------------------------------ counting


def _tally(winners: Iterable[Tensor], labels: Tensor, num_classes: int) -> Tensor:
    """int64 (B, K+2, K): row 0 counts void pixels, rows 1..K the labels, row K+1 labels that are no class.

    Image by image, so that memory does not grow with the batch.
    """
    if labels.dtype != torch.uint8:
        raise TypeError(f"labels must be uint8, not {labels.dtype}: a cast would hide -1 as {IGNORE} and 256 as 0")
    tables = [_table(one, label, num_classes) for one, label in zip(winners, labels, strict=True)]
    return torch.stack(tables) if tables else labels.new_zeros((0, num_classes + 2, num_classes), dtype=torch.int64)


def _table(winners: Tensor, label: Tensor, num_classes: int) -> Tensor:
    """uint8 (H, W) twice -> int64 (K+2, K), the rows of `_tally`."""
    bins = (num_classes + 2) * num_classes
    row = (label + 1).clamp_(max=num_classes + 1)  # uint8 wraps: void 255 -> 0, class k -> k + 1, strangers -> K + 1
    if label.device.type == "cpu":
        # The smaller the code the faster it is counted; every pixel is counted, void aside, as compaction costs more.
        dtype = torch.uint8 if bins <= 2**8 else torch.int16 if bins <= 2**15 else torch.int32
        code = row.to(dtype).mul_(num_classes).add_(winners)
        return torch.bincount(code.flatten(), minlength=bins).view(num_classes + 2, num_classes)
    return _table_fixed(row.to(torch.int32).mul_(num_classes).add_(winners), bins).view(num_classes + 2, num_classes)


def _table_fixed(code: Tensor, bins: int) -> Tensor:
    """int32 (H, W) in 0..bins-1 -> int64 (bins,), without the wait for the device that torch.bincount needs."""
    lane = torch.arange(code.shape[1], dtype=torch.int32, device=code.device).remainder_(LANES).mul_(bins)
    index = (code + lane).flatten()
    ones = torch.ones(1, dtype=torch.int64, device=code.device).expand(index.numel())
    table = torch.zeros(LANES * bins, dtype=torch.int64, device=code.device).index_add_(0, index, ones)
    return table.view(LANES, bins).sum(0)


def _counts(tallies: Tensor, first: int = 0) -> Tensor:
    """(B, K+2, K) -> (B, K, K) without void; BenchError when a label was neither a class nor void."""
    strangers = tallies[:, -1].sum(1).tolist()
    for image, pixels in enumerate(strangers, first):
        if pixels:
            last = tallies.shape[2] - 1
            raise BenchError(
                f"{pixels} pixels of image {image} (counted from 0) carry labels outside 0..{last} and {IGNORE}",
                remedy=f"map every label to a class or to {IGNORE} where the dataset is read",
                code=ExitCode.DATA,
            )
    return tallies[:, 1:-1].contiguous()
