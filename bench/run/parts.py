"""Names -> objects: all that a configuration asks for, and a rehearsal on nothing that finds what does not fit."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench import names
from bench.batches import Batch, Transform, crop_size, steps_per_epoch
from bench.methods.method import Method, Setting
from bench.models.segmodel import SegModel
from bench.run.place import Place
from bench.run.sight import sight
from bench.spec import BenchError, Dataset, Domain, RunConfig, Size


@dataclass(frozen=True)
class Parts:
    """The objects a configuration names; `lr` is the optimizer's base rate."""

    model: SegModel
    method: Method
    optimizers: tuple[torch.optim.Optimizer, ...]
    shape: Callable[[float], float]
    augment: tuple[Transform, ...]
    lr: float
    scaler: torch.amp.GradScaler | None


def build_parts(config: RunConfig, device: torch.device) -> Parts:
    """Build everything a run steps with; weights are drawn from `config.seed` on the CPU, then moved."""
    classes = names.dataset_info(config.dataset).num_classes
    torch.manual_seed(config.seed)
    model: SegModel = names.build("model", config.model, classes).to(device)
    model.autocast_dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(config.precision)
    method: Method = names.build("method", config.method, names.build("loss", config.loss), classes)
    optimizer = names.build("optimizer", config.optimizer, [{"params": list(model.parameters())}])
    return Parts(
        model=model,
        method=method,
        optimizers=(optimizer,),
        shape=names.build("scheduler", config.scheduler),
        augment=tuple(names.build("augment", c) for c in config.augment),
        lr=float(optimizer.param_groups[0]["initial_lr"]),
        scaler=torch.amp.GradScaler(device.type) if config.precision == "fp16" and device.type == "cuda" else None,
    )


def open_dataset(config: RunConfig, domain: str, split: str, data_root: Path | None) -> Dataset:
    """The images of `domain` (`dataset/domain`) in `split`; see `bench.names.dataset_of` for the options it gets."""
    where = Domain.parse(domain)
    component = names.dataset_of(config.dataset, where)
    root = data_root / where.dataset if data_root is not None else None
    dataset: Dataset = names.build("dataset", component, root, where.name, split)
    return dataset


def check(configs: Sequence[RunConfig], place: Place, cost_size: Size | None = None) -> None:
    """Open every dataset and rehearse a step with every distinct set of parts, before anything is launched.

    With `cost_size` also a forward pass of every model at the size that its costs are to be measured at.

    A typo, missing data, a crop that does not fit or a loss that does not suit a model shows here, in seconds.  Raises
    BenchError.
    """
    seen: set[str] = set()

    def first_time(*key: Any) -> bool:
        text = repr(key)
        return not (text in seen or seen.add(text))  # type: ignore[func-returns-value]

    for config in configs:
        if config.precision == "fp16" and not place.device.startswith("cuda"):
            raise BenchError("fp16 trains on CUDA only", remedy="use `precision: bf16` or fp32", key="precision")
        for split, domains in splits_of(config).items():
            for domain in domains:
                if first_time(config.dataset, domain, split, config.crop_px, config.resize_px, config.batch_size):
                    _open(config, domain, split, place)
        if first_time(config.model, config.loss, config.method, config.optimizer, config.scheduler, config.augment):
            _rehearse(config)
        if first_time("watching", config.sampler, config.scoring):
            names.build("sampler", config.sampler, np.ones((1, 1), np.int64))
            names.build("scoring", config.scoring)


def _open(config: RunConfig, domain: str, split: str, place: Place) -> None:
    """Find all files of a split; of the labelled one also whether a batch and a crop can be had."""
    dataset = open_dataset(config, domain, split, place.data_root)
    if split in ("train", "target"):
        what = "source" if split == "train" else "target"
        if split == "train" or sight(config).unlabelled:
            steps_per_epoch(len(dataset), config.batch_size, what=what)
        crop_size(config.resize_px or dataset.read(0)[1].shape, config.crop_px)


def _rehearse(config: RunConfig) -> None:
    """One forward pass from augmentation to loss on tensors that have a shape and no memory."""
    meta = torch.device("meta")
    with meta, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns that initialising a meta tensor does nothing
        parts = build_parts(config, meta)
    images = torch.zeros(2, 3, *(config.crop_px or config.resize_px or (128, 128)), device=meta)
    labels = torch.zeros(2, *images.shape[-2:], dtype=torch.int64, device=meta)
    for transform in parts.augment:
        images, labels = transform(images, labels, torch.Generator())
    classes = names.dataset_info(config.dataset).num_classes
    with meta, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parts.method.attach(parts.model, Setting(device=meta, steps=100, seed=0, num_classes=classes))
    batch = Batch(images, labels, target_images=images.clone(), step=99)
    for _, loss in parts.method.losses(parts.model, batch):
        loss.backward()  # type: ignore[no-untyped-call]


def splits_of(config: RunConfig) -> dict[str, tuple[str, ...]]:
    """Which domains of which split a run reads."""
    along = dict.fromkeys((*config.evaluate_on, config.source)) if config.evaluate_every else ()
    seen = sight(config)
    looked_at = seen.unlabelled or (config.target if config.evaluate_every else None)  # by scores without labels
    target = () if looked_at is None else (looked_at,)
    return {"train": seen.labelled, "target": target, "test": config.evaluate_on, "val": tuple(along)}
