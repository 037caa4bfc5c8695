"""A run's target without labels and its source's val split -> the scores by which a checkpoint may be chosen."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from bench.batches import scoring_batches
from bench.cache import Split
from bench.methods.method import Method
from bench.methods.teacher import Teacher
from bench.methods.unlabelled import Unlabelled
from bench.models.segmodel import SegModel
from bench.scores import miou
from bench.selection import worth
from bench.selection.looking import label_free, spread
from bench.spec import Counts, RunConfig

BATCH = 8
"""Images per forward pass, as when scoring: methods that normalise by the batch then see what scoring sees."""


@dataclass(frozen=True)
class Sample:
    """What is looked at: some of the target's images, and labelled ones of the source, the same at every evaluation."""

    target: Unlabelled
    source: Split

    @classmethod
    def of(cls, target: Split, source: Split) -> Sample:
        """Evenly spread over both splits; labels of the target stay behind."""
        rows = spread(len(target))
        return cls(Unlabelled(target.images[rows], target.names[rows]), _some(source))

    def scores(
        self, method: Method, network: SegModel, confusion: Counts, device: torch.device, beat: Callable[[], None]
    ) -> dict[str, float | None]:
        """Every score of `network`, which `method` gives; `confusion` are its counts on the source's val split."""

        def fresh() -> SegModel:
            return copy.deepcopy(network) if method.online else network

        def target() -> Iterator[Tensor]:
            for images in self.target.batches(BATCH, device):
                beat()
                yield images

        def source() -> Iterator[tuple[Tensor, Tensor]]:
            for batch in scoring_batches(self.source, batch_size=BATCH, device=device):
                beat()
                yield batch

        prior = torch.tensor(confusion, dtype=torch.int64).sum(1).to(device)
        return label_free(fresh, target(), source(), prior, teacher_of(method))


def _some(split: Split) -> Split:
    rows = spread(len(split))
    return replace(split, images=split.images[rows], labels=split.labels[rows], names=split.names[rows])


def teacher_of(method: Method) -> SegModel | None:
    """The network that teaches, of a method or of a part of one; None where nobody does."""
    for part in (method, *getattr(method, "parts", ())):
        teacher = getattr(part, "teacher", None)
        if isinstance(teacher, Teacher):
            return teacher.model
    return None


def merit(config: RunConfig, confusion: Mapping[str, Counts], scores: Mapping[str, float | None]) -> float | None:
    """How good weights are by the rule that chooses among them, more is better; None where the rule cannot say."""
    if config.choose == "source_val":
        return miou(confusion[config.source])
    if config.choose == "oracle":
        return miou(confusion[str(config.target)])
    return worth(config.choose, scores.get(config.choose))
