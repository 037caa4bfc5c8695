"""A configuration -> what its method learns from: labelled images, the target's without labels, and their batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import torch

from bench import names
from bench.batches import TARGET, Batch, paired, steps_per_epoch, training_batches
from bench.cache import Split, joined, resident
from bench.methods.method import Setting
from bench.methods.teacher import Teacher
from bench.methods.unlabelled import Unlabelled
from bench.run.parts import Parts
from bench.run.sight import sight
from bench.spec import RunConfig

if TYPE_CHECKING:
    from bench.methods.method import OtherNetwork


class Lesson(NamedTuple):
    """`labelled` images that the supervised loss sees, and those of the target, if any, whose labels nobody sees."""

    labelled: Split
    target: Split | None


def lesson(config: RunConfig, split: Callable[[str, str], Split], device: torch.device) -> Lesson:
    """Read what the method sees, with `split(name, domain)`; what fits lies on the device."""
    seen = sight(config)
    labelled = joined([resident(split("train", domain), device) for domain in seen.labelled])
    target = None if seen.unlabelled is None else resident(split("target", seen.unlabelled), device)
    return Lesson(labelled, target)


def attach(
    parts: Parts, config: RunConfig, read: Lesson, device: torch.device, steps: int, network: OtherNetwork | None = None
) -> Parts:
    """`parts` with the method told of the run, its optimizers among the run's, and the average of the weights begun.

    `network` gives a method that learns from another network that one.
    """
    counts = read.labelled.counts
    shares = () if counts is None else tuple((counts.sum(0) / max(1, counts.sum())).tolist())
    target = None if read.target is None else Unlabelled(read.target.images, read.target.names)
    classes = names.dataset_info(config.dataset).num_classes
    setting = Setting(
        device=device,
        steps=steps,
        seed=config.seed,
        num_classes=classes,
        target=target,
        source_shares=shares,
        network=network,
    )
    if counts is not None and hasattr(parts.method.loss, "fit"):
        parts.method.loss.fit(torch.from_numpy(counts))
    average = None if config.ema is None else Teacher(parts.model, config.ema)  # before a method listens to the model
    parts.method.attach(parts.model, setting)
    return dataclasses.replace(parts, optimizers=(*parts.optimizers, *parts.method.optimizers), average=average)


def length(config: RunConfig, images: int) -> tuple[int, int]:
    """(updates of a run, updates in one pass over its `images` labelled ones).  Raises BenchError for none."""
    per_epoch = steps_per_epoch(images, config.batch_size, together=config.accumulate)
    return config.steps or (config.epochs or 0) * per_epoch, per_epoch


def batches(config: RunConfig, parts: Parts, read: Lesson, device: torch.device, start: int) -> Iterator[Batch]:
    """The batches of a run from step `start` on: labelled images and, for a method that wants them, the target's."""

    def of(split: Split, streams: int = 0) -> Iterator[Batch]:
        own = streams == 0
        return training_batches(
            split,
            batch_size=config.batch_size,
            seed=config.seed,
            device=device,
            crop_px=config.crop_px,
            crop_max_share=config.crop_max_share if own else None,
            sampler=names.build("sampler", config.sampler, split.counts) if own else None,
            augment=parts.augment,
            start=start,
            streams=streams,
            accumulate=config.accumulate,
        )

    source = of(read.labelled)
    if read.target is None or not parts.method.target_batches:
        return source
    return paired(source, of(read.target, TARGET))
