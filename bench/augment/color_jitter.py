"""A batch -> the same batch with some images' brightness, contrast, saturation and hue shifted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.augment.colours import grey, normalised, shown
from bench.augment.limits import amount, probability
from bench.augment.samples import uniforms, within

if TYPE_CHECKING:
    from bench.augment import Transform


def color_jitter(
    *, brightness: float = 0.2, contrast: float = 0.2, saturation: float = 0.2, hue: float = 0.1, p: float = 0.5
) -> Transform:
    """Shifts brightness, contrast, saturation and hue of each image, in random order, with probability `p`.

    Gives f(images (N, 3, H, W) normalised, labels (N, H, W), generator on the CPU) -> (images, labels as they came).
    Factors are uniform in [1 - strength, 1 + strength], never below 0; the hue turns by at most `hue` of the circle.
    A strength of 0 leaves its step out.  Raises BenchError for a strength below 0, a `hue` above 0.5 or a `p` that is
    no probability.

    Source: ColorJitter(0.2, 0.2, 0.2, 0.1) in std277/semantic-segmentation-domain-adaptation, each step as torchvision
    defines it; DACS (arXiv 2007.08702, its code) has four times 0.25 and p 0.8.
    """
    strengths = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
    for key, strength in strengths.items():
        amount("color_jitter", key, strength, 0.0)
    amount("color_jitter", "hue", hue, 0.0, 0.5)
    probability("color_jitter", p)
    spans = [(max(0.0, 1 - strength), 1 + strength) for strength in strengths.values()] + [(-hue, hue)]
    steps = (brighter, contrasted, saturated, hue_turned)

    def jittered(image: Tensor, draws: list[float]) -> Tensor:
        colours = shown(image)
        for k in sorted(range(4), key=draws[4:].__getitem__):
            if spans[k][0] < spans[k][1]:
                colours = steps[k](colours, within(draws[k], spans[k]))
        return normalised(colours)

    def transform(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = uniforms(generator, len(images), 9)
        changed = [
            jittered(image, draws) if chance < p else image
            for image, (chance, *draws) in zip(images, rows, strict=True)
        ]
        return torch.stack(changed), labels

    return transform


def brighter(colours: Tensor, factor: float) -> Tensor:
    """RGB (3, H, W) in [0, 1] times `factor`, cut off at 1."""
    return colours.mul(factor).clamp_(0, 1)


def contrasted(colours: Tensor, factor: float) -> Tensor:
    """RGB (3, H, W) in [0, 1] moved away from the mean grey of the image by `factor`; 0 leaves only that grey."""
    return colours.mul(factor).add_(grey(colours).mean() * (1 - factor)).clamp_(0, 1)


def saturated(colours: Tensor, factor: float) -> Tensor:
    """RGB (3, H, W) in [0, 1] moved away from each pixel's own grey by `factor`; 0 leaves grey."""
    return torch.lerp(grey(colours), colours, factor).clamp_(0, 1)


def hue_turned(colours: Tensor, turn: float) -> Tensor:
    """RGB (3, H, W) in [0, 1] with the hue of HSV turned by `turn` of the circle; value and saturation stay.

    Value and saturation fix the largest and the smallest channel, so only the place between them is worked out: a
    channel as a function of the hue is a trapezium, and the three are the same one, a third of the circle apart.
    """
    red, green, blue = colours
    low, high = colours.amin(0), colours.amax(0)
    chroma = high - low
    span = chroma.clamp_min(1e-12)  # grey has no hue; its chroma of 0 hides whatever comes out
    # lerp by 0 or 1 chooses exactly, and on a CPU seven times as fast as torch.where on a mask as ragged as this.
    sixths = torch.lerp((red - green) / span + 4, (blue - red) / span + 2, (high == green).float())
    sixths = torch.lerp(sixths, (green - blue) / span, (high == red).float()).add_(6 * turn)
    sixths.sub_((sixths / 6).floor_(), alpha=6)
    places = torch.stack([(sixths - 3).abs_().sub_(1), 2 - (sixths - 2).abs_(), 2 - (sixths - 4).abs_()])
    return places.clamp_(0, 1).mul_(chroma).add_(low)
