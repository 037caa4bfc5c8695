"""Confidences on labelled source and on target images -> the accuracy to be expected on the target."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.selection.view import View, labels_at, thinned
from bench.spec import IGNORE


class Confidence:
    """`atc`: the share of target pixels above a threshold of sureness, which as many source pixels reach as are right.

    Sureness is the negative entropy of a pixel.

    Source: ATC-NE, arXiv 2201.04234.  Differs from the paper in: pixels take the place of images, those of
    source validation that are void left out.
    """

    def __init__(self) -> None:
        self.source: list[Tensor] = []
        self.right: list[Tensor] = []
        self.target: list[Tensor] = []

    def learn(self, logits: Tensor, labels: Tensor) -> None:
        """Take in a batch of source images: logits (B, K, h, w), labels uint8 (B, H, W)."""
        found = labels_at(labels, (logits.shape[-2], logits.shape[-1]))
        log = thinned(logits).float().log_softmax(1)
        valid = found != IGNORE
        # Void goes to the end of the order, as the surest of all: picking it out would wait for the device.
        self.source.append(sureness(log).masked_fill(~valid, torch.inf).flatten())
        self.right.append(torch.stack([(valid & (log.argmax(1) == found)).sum(), valid.sum()]))

    def see(self, view: View) -> None:
        self.target.append(sureness(view.log).flatten())

    def values(self) -> dict[str, Tensor]:
        if not self.source:
            return {}
        right, valid = torch.stack(self.right).sum(0)
        return {"atc": expected_accuracy(torch.cat(self.source), right, valid, torch.cat(self.target))}


def sureness(log: Tensor) -> Tensor:
    """Log-probabilities (B, K, h, w) -> negative entropy (B, h, w)."""
    return (log.exp() * log).sum(1)


def expected_accuracy(source: Tensor, right: Tensor, valid: Tensor, target: Tensor) -> Tensor:
    """Sureness of source pixels (P,), `valid` of which are finite and `right` of these correct, and of target pixels
    (Q,) -> the share of the latter at or above the threshold; nan without a valid source pixel.

    The threshold is the least sureness of the `right` surest valid pixels; the value equals the source's accuracy where
    target and source are alike.
    """
    order = source.sort().values
    # With nothing right the threshold lies above all; the added last value stands for that.
    order = torch.cat([order, order.new_full((1,), torch.inf)])
    threshold = order.gather(0, (valid - right).view(1))
    share = (target >= threshold).double().mean()
    return torch.where(valid > 0, share, torch.nan)
