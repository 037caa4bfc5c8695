"""Labels -> where classes meet; logits of a boundary head and labels -> the loss of finding that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.losses.cross_entropy import mean_where
from bench.losses.outputs import logits_for
from bench.spec import IGNORE

if TYPE_CHECKING:
    import numpy as np

    from bench.losses import Loss

FRAME_PX = 6
"""How far from the border of a full-size Cityscapes image PIDNet's code looks for no edge; 0 for CamVid."""


def boundary() -> Loss:
    """Boundary loss: binary cross entropy of a boundary head, edges and the rest weighing the same.

    Gives f(outputs, labels): outputs["boundary"] float (N, 1, h, w) and labels int64 (N, H, W) in 0..K-1 or IGNORE ->
    scalar; 0, with zero gradient, where nothing is labelled or no two classes meet.  It trains the boundary head alone,
    so it stands beside another loss: `loss: [cross_entropy, {name: boundary, weight: 20}]`.  An edge is where two
    labelled classes meet (`edge_targets`); ignored pixels count on neither side.  Logits are resized to the labels
    (bilinear, half-pixel centres).  Raises BenchError for a model without a "boundary" output.

    Source: Xu et al. 2022, arXiv 2206.02066, section 3.5 (l1).  Differs from the paper in: ignored pixels are left out,
    and where a class meets them is no edge; edges are drawn from the cropped labels.
    """

    def loss(outputs: dict[str, Tensor], labels: Tensor) -> Tensor:
        logits = logits_for(outputs, "boundary", labels).squeeze(1)
        return balanced_bce(logits, edge_targets(labels, void_meets=False), labels != IGNORE)

    return loss


def balanced_bce(logits: Tensor, targets: Tensor, valid: Tensor | None = None) -> Tensor:
    """Binary cross entropy in which edges and the rest weigh the same: logits and targets 0/1, (N, H, W) -> scalar.

    An edge pixel weighs the share of other pixels in the batch, and the other way round; mean over all pixels, or over
    those that are `valid`.
    """
    targets = targets.to(logits.dtype)
    edge_share = targets.mean() if valid is None else mean_where(targets, valid)
    weights = torch.where(targets > 0, 1 - edge_share, edge_share)
    if valid is None:
        return F.binary_cross_entropy_with_logits(logits, targets, weight=weights)
    return mean_where(F.binary_cross_entropy_with_logits(logits, targets, weight=weights, reduction="none"), valid)


@torch.no_grad()
def edge_targets(labels: Tensor, *, frame_px: int = 0, void_meets: bool = True) -> Tensor:
    """Booleans (N, H, W) that hold near every change of label; labels int64 (N, H, W).

    A pixel is an edge where its label differs from that of its right or lower neighbour, also where one of the two is
    IGNORE, unless `void_meets` is false; edges less than `frame_px` from the image border are dropped, the rest spread
    from one pixel before to two pixels after, both ways.

    Source: Xu et al. 2022, arXiv 2206.02066, code, datasets/base_dataset.py.  Differs from the paper in: stands in
    for OpenCV's Canny(0.1, 0.2) and its dilation by a 4 x 4 square (intersection over union with that is 0.91 to 0.93),
    so that labels can stay on the device.
    """
    height, width = labels.shape[-2:]
    edges = torch.zeros_like(labels, dtype=torch.bool)
    edges[:, :, :-1] |= _differ(labels[:, :, 1:], labels[:, :, :-1], void_meets)
    edges[:, :-1, :] |= _differ(labels[:, 1:, :], labels[:, :-1, :], void_meets)
    if frame_px:
        inner = torch.zeros_like(edges)
        inner[:, frame_px : max(height - frame_px, 0), frame_px : max(width - frame_px, 0)] = True
        edges &= inner
    return _spread(_spread(edges, 1), 2)


def _differ(labels: Tensor, others: Tensor, void_meets: bool) -> Tensor:
    """Where labels are not the same; both are labels, unless `void_meets`."""
    differ = labels != others
    return differ if void_meets else differ & (labels != IGNORE) & (others != IGNORE)


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
