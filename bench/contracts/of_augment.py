"""What an augmentation promises: pixels and labels stay together, and its generator alone decides."""

from __future__ import annotations

from typing import Any

import torch

from bench.contracts.promise import Promise, Subject
from bench.spec import IGNORE


def augmentation_faults(transform: Any) -> set[str]:
    """Which promises of an augmentation `transform` breaks.

    Its generator alone decides; it changes something; and either labels stay where they are and so do the pixels, only
    their colours change, or each pixel takes its label along (to the nearest pixel) and what is void is void in both.
    """
    side = 7  # a code of its own for each pixel of the batch, none of them IGNORE
    sample, row, column = torch.meshgrid(torch.arange(4), torch.arange(side), torch.arange(side), indexing="ij")
    codes, places = (sample * side + row) * side + column, torch.stack([sample, row, column], 1).float()
    noise = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    noise = noise.repeat_interleave(3, 2).repeat_interleave(3, 3)
    patches = torch.randint(5, (4, 24, 24), generator=torch.Generator().manual_seed(1))

    def ran(images: torch.Tensor, labels: torch.Tensor, seed: int) -> Any:
        torch.seed()  # the global state, which must not matter
        return transform(images.clone(), labels.clone(), torch.Generator().manual_seed(seed))

    faults, seeds = set(), range(20)
    if not all(torch.equal(a, b) for a, b in zip(ran(places, codes, 3), ran(places, codes, 3), strict=True)):
        faults.add("draws from elsewhere")
    coloured = [ran(noise, patches, seed)[0] for seed in seeds]
    moved = [ran(places, codes, seed) for seed in seeds]
    if all(torch.equal(a, noise) for a in coloured) and all(torch.equal(a, places) for a, _ in moved):
        faults.add("changes nothing")
    if all(torch.equal(told, codes) for _, told in moved):
        for images in coloured:
            greys = zip(images.mean(1).flatten(1), noise.mean(1).flatten(1), strict=True)
            if any(torch.corrcoef(torch.stack(pair))[0, 1] < 0.5 for pair in greys):
                faults.add("moves pixels, not labels")
        return faults
    for images, told in moved:
        valid = told != IGNORE
        wanted = torch.stack([told // side**2, told // side % side, told % side], 1)
        if ((images - wanted).abs().amax(1)[valid] > 0.51).any():
            faults.add("pixels and labels part")
    return faults


def together(subject: Subject) -> str:
    return ", ".join(sorted(augmentation_faults(subject.build())))


def shapes(subject: Subject) -> str:
    images, labels = torch.randn(3, 3, 24, 24), torch.randint(5, (3, 24, 24))
    kept = images.clone(), labels.clone()
    for seed in range(5):
        shown, told = subject.build()(images, labels, torch.Generator().manual_seed(seed))
        if shown.shape != images.shape or told.shape != labels.shape:
            return f"{tuple(shown.shape)} and {tuple(told.shape)} from (3, 3, 24, 24) and (3, 24, 24)"
        if shown.dtype != torch.float32 or told.dtype != torch.int64:
            return f"images {shown.dtype}, labels {told.dtype}"
    return "" if torch.equal(images, kept[0]) and torch.equal(labels, kept[1]) else "it writes into its inputs"


PROMISES = (
    Promise(
        "pixels and labels stay together, the generator alone decides",
        together,
        "move labels as images, by the nearest pixel, 255 from outside; draw from the generator that is given",
    ),
    Promise(
        "shapes and types stay, inputs too", shapes, "give float32 (N, 3, H, W) and int64 (N, H, W); write into copies"
    ),
)
