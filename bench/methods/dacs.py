"""DACS: the self-training loop with a quicker teacher and stronger colours."""

from __future__ import annotations

from bench.methods.limits import fraction
from bench.methods.method import Loss
from bench.methods.self_training import Options, SelfTraining


class Dacs(SelfTraining):
    """`SelfTraining` as DACS has it."""


def dacs(
    loss: Loss,
    num_classes: int,
    *,
    alpha: float = 0.99,
    threshold: float = 0.968,
    jitter: float = 0.25,
    jitter_p: float = 0.8,
    blur_p: float = 0.5,
) -> Dacs:
    """DACS: half of the classes of a source image pasted over a target image that a teacher has labelled.

    Networks: student and teacher.  Passes over full images per step: student 2 forward and 2 backward, teacher 1
    forward.

    Source: DACS, arXiv 2007.08702, section 3, and ClassMix, arXiv 2007.07936.  Differs from the paper in: BN statistics
    of the teacher move with its weights and it runs in eval mode (the published teacher runs in training mode on
    statistics of each batch); void is never pasted; the last weights are scored, not the best on target labels.
    """
    options = Options(
        alpha=fraction("alpha", alpha),
        threshold=fraction("threshold", threshold),
        jitter=fraction("jitter", jitter),
        jitter_p=fraction("jitter_p", jitter_p),
        blur_p=fraction("blur_p", blur_p),
    )
    return Dacs(loss, num_classes, options)
