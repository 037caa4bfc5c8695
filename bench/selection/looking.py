"""A network, target images without labels and labelled source images -> every score that needs no target label."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.augment.color_jitter import color_jitter
from bench.evaluate.counting import evaluating
from bench.selection import LABEL_FREE
from bench.selection.agreement import Agreement
from bench.selection.confidence import Confidence
from bench.selection.density import Density
from bench.selection.nuclear import Nuclear
from bench.selection.shares import Shares
from bench.selection.statistics import Statistics
from bench.selection.view import View, log_probabilities, thinned

if TYPE_CHECKING:
    from bench.models.segmodel import SegModel

IMAGES = 64
"""At most so many images of each kind are looked at, spread evenly over the split: a bound on what choosing costs."""


def spread(number: int) -> slice:
    """Of `number` images, in order, at most IMAGES."""
    return slice(None, None, max(1, -(-number // IMAGES)))


def label_free(
    fresh: Callable[[], SegModel],
    target: Iterable[Tensor],
    source: Iterable[tuple[Tensor, Tensor]],
    prior: Tensor,
    teacher: SegModel | None = None,
) -> dict[str, float | None]:
    """Name -> value of every score in `LABEL_FREE`; None for one that could not be had or is not finite.

    `fresh()` gives the network to look with, a copy of its own at each call where predicting changes it; `target` are
    batches float (B, 3, h, w), normalised; `source` pairs of such and labels uint8 (B, H, W); `prior` int64 (K,) the
    pixels of each class in labelled source images, on the network's device.  Modules are put back into their modes, no
    generator but one made here is drawn from, and the host waits for the device at the end alone.
    """
    network, second, third = fresh(), fresh(), fresh()
    statistics, confidence = Statistics(network), Confidence()
    device, number = prior.device, 0
    scores = (Shares(prior), Density(device), Nuclear(len(prior), device), Agreement(device), confidence)
    with ExitStack() as modes:
        for module in (network, second, third, *([teacher] if teacher else [])):
            modes.enter_context(evaluating(module))
        # Batches are fetched outside inference mode: what a loader caches there could never be trained on.
        for images, labels in source:
            with torch.inference_mode():
                confidence.learn(third(images)["out"], labels)
        for images in target:
            with torch.inference_mode():
                with statistics.watching():
                    log = log_probabilities(network(images)["out"])
                taught = None if teacher is None else _winners(teacher, images)
                view = View(log, _altered(second, images, number), taught, number)
                for score in scores:
                    score.see(view)
            number += len(images)
    with torch.inference_mode():
        found = {k: v for score in (*scores, statistics) for k, v in score.values().items()} if number else {}
    numbers = torch.stack([value.to("cpu", torch.float64) for value in found.values()]).tolist() if found else []
    known = dict(zip(found, numbers, strict=True))
    if not math.isfinite(known.get("entropy", math.nan)):
        known = {}  # predictions that are no numbers agree with each other, too
    return {name: value if math.isfinite(value := known.get(name, math.nan)) else None for name in LABEL_FREE}


def _winners(network: SegModel, images: Tensor) -> Tensor:
    return thinned(network(images)["out"]).argmax(1)


def _altered(network: SegModel, images: Tensor, first: int) -> Tensor:
    """Classes (B, h, w) of `images` mirrored and in other colours, the same ones for an image at every evaluation."""
    colours = color_jitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.05, p=1.0)
    changed, _ = colours(images.flip(-1), images, torch.Generator().manual_seed(first))
    return thinned(network(changed)["out"].flip(-1)).argmax(1)
