"""FDA: source images with the low frequencies of target images, their objects untouched."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.augment.colours import normalised, shown
from bench.methods.limits import at_least, fraction
from bench.methods.method import Loss, Method, Setting
from bench.methods.target import target_of
from bench.spec import BenchError

if TYPE_CHECKING:
    from bench.batches import Batch
    from bench.models.segmodel import SegModel

EPSILON = 1e-8


class Fda(Method):
    """The supervised loss on source images in the target's look; with `entropy` > 0 also a robust entropy."""

    needs_target: ClassVar[bool] = True

    def __init__(self, loss: Loss, betas: tuple[float, ...], *, entropy: float, eta: float, start: float) -> None:
        super().__init__(loss)
        self.betas, self.entropy, self.eta, self.start = betas, entropy, eta, start
        self.capturable = len(betas) == 1 and entropy == 0  # type: ignore[misc]  # else it looks at the step

    def attach(self, model: SegModel, setting: Setting) -> None:
        self.first = round(self.start * setting.steps)

    def prepare(self, batch: Batch) -> Batch:
        beta, target = self.betas[batch.step % len(self.betas)], target_of(batch)
        changed = transferred(shown(batch.images), shown(target), beta)
        return replace(batch, images=normalised(changed.clamp_(0, 1)))

    def adapt(self, model: SegModel, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        if self.entropy > 0 and batch.step >= self.first:
            yield "entropy", self.entropy * robust_entropy(model(target_of(batch))["out"], self.eta)


def reach(size: Sequence[int], beta: float) -> int:
    """How many frequencies to either side of 0 are replaced in images of `size` (H, W)."""
    return math.floor(min(size) * beta)


def transferred(source: Tensor, target: Tensor, beta: float) -> Tensor:
    """`source` (N, 3, H, W) with the amplitudes of `target` in its lowest frequencies, its own phases everywhere.

    The window holds frequency 0 always, so a `beta` of almost nothing still hands over the mean colour.  A `target` of
    another size is resized first.  Colours may leave [0, 1].
    """
    height, width = source.shape[-2:]
    if target.shape[-2:] != (height, width):
        target = F.interpolate(target, (height, width), mode="bilinear", align_corners=False)
    own, other = torch.fft.rfft2(source), torch.fft.rfft2(target).abs()
    amplitude, b = own.abs(), reach((height, width), beta)
    for rows in (slice(0, b + 1), slice(height - b, height)):  # frequencies 0..b and -b..-1
        amplitude[..., rows, : b + 1] = other[..., rows, : b + 1]
    changed: Tensor = torch.fft.irfft2(torch.polar(amplitude, own.angle()), s=(height, width))
    return changed


def robust_entropy(logits: Tensor, eta: float) -> Tensor:
    """Mean over pixels of (h^2 + 1e-8)^eta, h the entropy of the softmax of `logits` (N, K, h, w) over ln K."""
    log = logits.log_softmax(1)
    entropy = -(log.exp() * log).sum(1) / math.log(logits.shape[1])
    return (entropy.square() + EPSILON).pow(eta).mean()


def fda(
    loss: Loss,
    num_classes: int,
    *,
    beta: float | list[float] = 0.01,
    entropy_weight: float = 0.0,
    eta: float = 2.0,
    entropy_start: float = 0.5,
) -> Fda:
    """FDA: the low-frequency amplitudes of source images are replaced by a target image's, phases kept.

    Networks: one.  Passes over full images per step: 1 forward and 1 backward, 2 and 2 with `entropy_weight` above 0
    (0.005 in the paper), which begins after the share `entropy_start` of the run: 50,000 of 100,000 steps.  A list of
    betas is gone through step by step: one network that sees several bands, where the paper trains one for each and
    averages.

    Source: FDA, arXiv 2004.05498, sections 2.1 and 2.2.  Differs from the paper in: the window is symmetric, so the
    image stays real (one published version leaves an imaginary part); entropy is over ln K, not ln 19; the image is
    clipped to what a camera can show; several bands are one network's.
    """
    betas = (beta,) if isinstance(beta, (int, float)) else tuple(beta)
    if not betas or not all(0 <= b <= 0.5 for b in betas):
        raise BenchError(f"{beta} is no reach of the window", remedy="choose 0 to 0.5, or a list of such", key="beta")
    return Fda(
        loss,
        betas,
        entropy=at_least("entropy_weight", entropy_weight),
        eta=at_least("eta", eta, 0.5),
        start=fraction("entropy_start", entropy_start),
    )
