"""A sample + where each of its new pixels comes from -> the warped sample; the one sampler of all geometric changes.

Coordinates are in pixels: whole numbers are pixel centres, an image covers [-0.5, W - 0.5) x [-0.5, H - 0.5).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.spec import IGNORE


def pixels(image: Tensor) -> tuple[Tensor, Tensor]:
    """x (1, W) and y (H, 1) of the pixel centres of an image (..., H, W), float on its device."""
    height, width = image.shape[-2:]
    x = torch.arange(width, device=image.device, dtype=torch.float32)
    y = torch.arange(height, device=image.device, dtype=torch.float32)
    return x[None, :], y[:, None]


def warped(image: Tensor, label: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The sample read at (`x`, `y`), each broadcastable to (H, W): image bilinear, label by the nearest pixel.

    Image float (3, H, W) and label int64 (H, W) keep shape and type.  What lies outside is 0 in the image (the mean
    colour of a normalised one) and IGNORE in the label; inside, the border pixel goes on for the half pixel that
    bilinear reading lacks there, so no pixel is a mixture with the fill.  Codes up to 2**24 are exact.
    """
    height, width = label.shape
    valid = (x >= -0.5) & (x < width - 0.5) & (y >= -0.5) & (y < height - 0.5)
    planes = ((2 * x + 1) / width - 1).expand_as(label), ((2 * y + 1) / height - 1).expand_as(label)
    grid = torch.stack(planes, -1)[None]
    codes = label[None, None].to(torch.float32)
    image = F.grid_sample(image[None], grid, mode="bilinear", padding_mode="border", align_corners=False)[0]
    codes = F.grid_sample(codes, grid, mode="nearest", padding_mode="border", align_corners=False)[0, 0]
    return image.mul_(valid), codes.to(label.dtype).masked_fill_(~valid, IGNORE)
