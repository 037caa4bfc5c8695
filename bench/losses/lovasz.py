"""Logits and labels -> the Lovasz-softmax loss: the Jaccard index of hard decisions, extended to probabilities."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from bench.losses.cross_entropy import mean_where
from bench.losses.ohem import readable
from bench.losses.outputs import HeadLoss, resized
from bench.spec import IGNORE

if TYPE_CHECKING:
    from bench.losses import Loss


def lovasz(*, per_image: bool = False, classes: Literal["present", "all"] = "present", aux_weight: float = 0.0) -> Loss:
    """Lovasz-softmax: the Jaccard loss of each class by its worst pixels first; mean over classes.

    Gives f(outputs, labels): outputs["out"] float (N, K, h, w) and labels int64 (N, H, W) in 0..K-1 or IGNORE -> scalar
    in [0, 1]; 0, with zero gradient, where nothing is labelled.  Pixels are those of the batch, or of each image
    (`per_image`), whose losses are averaged where anything is labelled.  `classes`: those with a labelled pixel there,
    or all.  `aux_weight` > 0 adds that many times the same loss on outputs["aux"].

    Every class is sorted by itself: on a CPU some ten times the time of cross entropy.  Memory beyond the model's:
    full-size probabilities, as many weights, and a sort of N * H * W values.  Raises BenchError for a negative
    `aux_weight` and a model without an "aux" output where one is asked for.

    Source: Berman et al. 2018, arXiv 1705.08790, section 3.  Differs from the paper in: an image without labels is left
    out of the mean over images.
    """
    return HeadLoss(functools.partial(lovasz_softmax, per_image=per_image, classes=classes), aux_weight)


def lovasz_softmax(logits: Tensor, labels: Tensor, *, per_image: bool, classes: Literal["present", "all"]) -> Tensor:
    """The loss of logits (N, K, h, w) and labels int64 (N, H, W), a scalar."""
    p = resized(logits, labels.shape[-2:], align_corners=False).softmax(1)
    groups = len(labels) if per_image else 1
    labels = labels.reshape(groups, -1)
    valid = labels != IGNORE
    values, counted = [], []
    for k, of_class in enumerate(p.unbind(1)):  # one backward for all: a slice of p would write a full-size gradient
        is_class = labels == k
        of_class = of_class.reshape(groups, -1)
        errors = torch.where(is_class, 1 - of_class, of_class).where(valid, 0.0)
        values.append((errors * importance(errors, is_class, valid)).sum(1))
        counted.append(is_class.any(1) if classes == "present" else valid.any(1))
    which = torch.stack(counted, 1)
    of_groups = torch.where(which, torch.stack(values, 1), 0.0).sum(1) / which.sum(1).clamp(min=1)
    return mean_where(of_groups, valid.any(1))


@torch.no_grad()
def importance(errors: Tensor, is_class: Tensor, valid: Tensor) -> Tensor:
    """How much the Jaccard loss grows when each pixel joins those that are wrong, worst first: all (G, P) -> (G, P).

    Pixels that are not `valid` come last, where they change nothing.
    """
    order = descending(errors.where(valid, -1.0))
    found = is_class.gather(1, order).to(errors.dtype).cumsum(1)
    place = torch.arange(1, errors.shape[1] + 1, device=errors.device)
    size = found[:, -1:]
    loss = 1 - (size - found) / (size + place - found)
    return torch.empty_like(errors).scatter_(1, order, loss.diff(dim=1, prepend=torch.zeros_like(size)))


def descending(values: Tensor) -> Tensor:
    """Places of `values` (G, P) from the largest to the smallest, nan among the largest."""
    if readable(values):
        return torch.from_numpy(np.argsort((-values).numpy(), axis=1))  # four times as fast as torch's
    return values.argsort(dim=1, descending=True)
