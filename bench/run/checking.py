"""Configurations -> nothing, or the first fault among them: data, parts, a step, and the counting itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch.nn.modules.batchnorm import _BatchNorm

from bench import names
from bench.batches import crop_size, steps_per_epoch
from bench.names.combined import title
from bench.names.lineage import runs_before
from bench.run.canaries import sing
from bench.run.learning import length
from bench.run.parts import Parts, open_dataset, splits_of
from bench.run.place import Place
from bench.run.rehearsal import on_nothing, step
from bench.run.selecting import teacher_of
from bench.run.sight import sight
from bench.run.starting import check_start
from bench.spec import BenchError, RunConfig
from bench.store import Store


def check(configs: Sequence[RunConfig], place: Place) -> None:
    """Raises the first of `faults`."""
    for _, fault in faults(configs, place):
        raise fault


def faults(configs: Sequence[RunConfig], place: Place) -> Iterator[tuple[RunConfig, BenchError]]:
    """Open every dataset and rehearse a step with every distinct set of parts, before anything is launched.

    A typo, missing data, a crop that does not fit or a loss that does not suit a model shows here, in seconds: each
    configuration that cannot run is given with the reason.  What is wrong with a part is told where it first occurs.
    """
    distinct = _Distinct()
    after_others = any(runs_before(config) for config in configs)
    planned = {names.id_of(config): config for config in configs} if after_others else {}
    for config in configs:
        try:
            _try(config, place, planned, distinct)
        except BenchError as fault:
            yield config, fault


class _Distinct:
    """Whether something is met for the first time."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def __call__(self, *key: Any) -> bool:
        text = repr(key)
        return not (text in self.seen or self.seen.add(text))  # type: ignore[func-returns-value]


def _try(config: RunConfig, place: Place, planned: Mapping[str, RunConfig], first_time: _Distinct) -> None:
    """All of `config` that no configuration before it has shown to work."""
    _reachable(config, place)
    if config.precision == "fp16" and not place.device.startswith("cuda"):
        raise BenchError("fp16 trains on CUDA only", remedy="use `precision: bf16` or fp32", key="precision")
    for split, domains in splits_of(config).items():
        for domain in domains:
            batch = (config.batch_size, config.accumulate)
            if first_time(config.dataset, domain, split, config.crop_px, config.resize_px, *batch):
                _open(config, domain, split, place)
            if split == "test" and first_time("canaries", config.dataset, domain):
                sing(open_dataset(config, domain, split, place.data_root))
    stepping = (
        config.model,
        config.loss,
        config.method,
        config.optimizer,
        config.groups,
        config.scheduler,
        config.augment,
        config.init,
    )
    if first_time(*stepping, config.choose):
        check_start(config, place.store, planned)
        _rehearse(config, place.store, planned)
    if first_time("watching", config.sampler, config.scoring):
        names.build("sampler", config.sampler, np.ones((1, 1), np.int64))
        names.build("scoring", config.scoring)


def _open(config: RunConfig, domain: str, split: str, place: Place) -> None:
    """Find all files of a split; of those trained on also whether a batch and a crop can be had."""
    dataset = open_dataset(config, domain, split, place.data_root)
    if split == "train" or (split == "target" and sight(config).unlabelled):
        what = "source" if split == "train" else "target"
        steps_per_epoch(len(dataset), config.batch_size, what=what, together=config.accumulate)
        crop_size(config.resize_px or dataset.read(0)[1].shape, config.crop_px)


def _reachable(config: RunConfig, place: Place) -> None:
    """Whether `patience` can end a run whose length comes of the number of its images."""
    if config.patience is None or config.epochs is None:
        return
    images = sum(len(open_dataset(config, domain, "train", place.data_root)) for domain in splits_of(config)["train"])
    try:
        config.can_stop(length(config, images)[0])
    except ValueError as fault:
        problem, _, remedy = str(fault).partition(": lower")
        raise BenchError(problem, remedy=f"lower{remedy}", key="patience") from None


def _rehearse(config: RunConfig, store: Store, planned: Mapping[str, RunConfig]) -> None:
    """The last of 100 steps, when whatever begins late has begun."""
    size = config.crop_px or config.resize_px or (128, 128)
    parts, batch = on_nothing(config, size, store=store, planned=planned)
    _choosable(config, parts)
    step(parts, replace(batch, step=99))


def _choosable(config: RunConfig, parts: Parts) -> None:
    if config.choose == "agreement" and teacher_of(parts.method) is None:
        problem = f"`choose: agreement` asks a teacher, and method '{title(config.method)}' has none"
        raise BenchError(problem, remedy="choose by another score, such as snd", key="choose")
    if config.choose == "bn_gap" and not any(isinstance(part, _BatchNorm) for part in parts.model.modules()):
        problem = f"`choose: bn_gap` compares statistics of BN, and model '{config.model.name}' has none"
        raise BenchError(problem, remedy="choose by another score, such as snd", key="choose")
