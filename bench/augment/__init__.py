"""Joint image and label transforms: build(*, options) -> f(images, labels, generator) -> (images, labels).

Images are float (N, 3, H, W), normalised with the statistics of ImageNet; labels int64 (N, H, W).  All draws are made
on the CPU, so a seed gives the same batch on every device, and no transform makes the host wait for one.  Inputs stay
as they are.  What comes from outside an image is 0 in images, the mean colour, and IGNORE in labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from torch import Tensor

    Transform = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]

AUGMENT = {
    "blur": "bench.augment.blur:blur",
    "class_mix": "bench.augment.class_mix:class_mix",
    "color_jitter": "bench.augment.color_jitter:color_jitter",
    "copy_blob": "bench.augment.copy_blob:copy_blob",
    "cutmix": "bench.augment.cutmix:cutmix",
    "cutout": "bench.augment.cutout:cutout",
    "flip": "bench.augment.flip:flip",
    "gamma": "bench.augment.gamma:gamma",
    "grayscale": "bench.augment.grayscale:grayscale",
    "grid_distortion": "bench.augment.grid_distortion:grid_distortion",
    "haze": "bench.augment.haze:haze",
    "mosaic": "bench.augment.mosaic:mosaic",
    "rotate": "bench.augment.rotate:rotate",
    "rotate90": "bench.augment.rotate90:rotate90",
    "scale": "bench.augment.scale:scale",
}
