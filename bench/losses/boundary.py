"""Labels -> where classes meet: the targets of a boundary head."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    import numpy as np

FRAME_PX = 6
"""How far from the border of a full-size Cityscapes image PIDNet's code looks for no edge; 0 for CamVid."""


@torch.no_grad()
def edge_targets(labels: Tensor, *, frame_px: int = 0) -> Tensor:
    """Booleans (N, H, W) that hold near every change of label; labels int64 (N, H, W), IGNORE counts as a label too.

    A pixel is an edge where its label differs from that of its right or lower neighbour; edges less than `frame_px`
    from the image border are dropped, the rest spread from one pixel before to two pixels after, both ways.

    Source: Xu et al. 2022, arXiv 2206.02066, code, datasets/base_dataset.py.  Differs from the paper in: stands in
    for OpenCV's Canny(0.1, 0.2) and its dilation by a 4 x 4 square (intersection over union with that is 0.91 to 0.93),
    so that labels can stay on the device.
    """
    height, width = labels.shape[-2:]
    edges = torch.zeros_like(labels, dtype=torch.bool)
    edges[:, :, :-1] |= labels[:, :, 1:] != labels[:, :, :-1]
    edges[:, :-1, :] |= labels[:, 1:, :] != labels[:, :-1, :]
    if frame_px:
        inner = torch.zeros_like(edges)
        inner[:, frame_px : max(height - frame_px, 0), frame_px : max(width - frame_px, 0)] = True
        edges &= inner
    return _spread(_spread(edges, 1), 2)


def _spread(edges: Tensor, dim: int) -> Tensor:
    """`edges` (N, H, W), each spread along `dim` from one pixel before itself to two after."""
    size = edges.shape[dim]
    padded = F.pad(edges, (2, 1) if dim == 2 else (0, 0, 2, 1))
    spread = padded.narrow(dim, 0, size)
    for start in (1, 2, 3):
        spread = spread | padded.narrow(dim, start, size)
    return spread


def targets(label: np.ndarray) -> np.ndarray:
    """Edges of one full-size label map, uint8 (H, W) -> bool (H, W), framed as PIDNet's code frames Cityscapes."""
    return edge_targets(torch.from_numpy(label.astype("int64"))[None], frame_px=FRAME_PX)[0].numpy()
