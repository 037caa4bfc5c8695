"""DACS: the self-training loop with a quicker teacher and stronger colours."""

from __future__ import annotations

from typing import Literal

from bench.methods.method import Loss
from bench.methods.self_training import Options, SelfTraining


def dacs(
    loss: Loss,
    num_classes: int,
    *,
    alpha: float = 0.99,
    threshold: float = 0.968,
    jitter: float = 0.25,
    jitter_p: float = 0.8,
    blur_p: float = 0.5,
    pixel_weight: Literal["share", "local"] = "share",
    class_temperature: float = 0.0,
) -> SelfTraining:
    """DACS: half of the classes of a source image pasted over a target image that a teacher has labelled.

    Networks: student and teacher.  Passes over full images per step: student 2 forward and 2 backward, teacher 1
    forward.  `pixel_weight` and `class_temperature` are those of `self_training`.

    Source: DACS, arXiv 2007.08702, section 3, and ClassMix, arXiv 2007.07936.  Differs from the paper in: BN statistics
    of the teacher move with its weights and it runs in eval mode (the published teacher runs in training mode on
    statistics of each batch); void is never pasted; colours and blur are drawn for each image; auxiliary heads learn
    from the source alone; the last weights are scored, not the best on target labels.
    """
    options = Options(
        alpha=alpha,
        threshold=threshold,
        jitter=jitter,
        jitter_p=jitter_p,
        blur_p=blur_p,
        pixel_weight=pixel_weight,
        class_temperature=class_temperature,
    )
    return SelfTraining(loss, num_classes, options)
