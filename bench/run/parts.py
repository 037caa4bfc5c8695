"""Names -> objects: all that a configuration asks for, and the splits that it reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from bench import names
from bench.batches import Transform
from bench.methods.method import Method
from bench.methods.teacher import Teacher
from bench.models.segmodel import SegModel
from bench.optimizers.rate import has_momentum
from bench.run.picking import Picked, computes, pick
from bench.run.sight import sight
from bench.spec import BenchError, Dataset, Domain, RunConfig


@dataclass(frozen=True)
class Parts:
    """The objects a configuration names; `lr` is the optimizer's base rate, `picked` how the model computes."""

    model: SegModel
    method: Method
    optimizers: tuple[torch.optim.Optimizer, ...]
    shape: Callable[[float], float]
    augment: tuple[Transform, ...]
    lr: float
    scaler: torch.amp.GradScaler | None
    picked: Picked
    average: Teacher | None = None
    """The moving average of the model, where there is one; made by `learning.attach`."""

    @property
    def follow(self) -> Callable[[SegModel], None] | None:
        """What the loop calls after each update."""
        return self.average.update if self.average else None

    @property
    def kept(self) -> SegModel:
        """The network that is scored and kept, before its method adapts it: the average where there is one."""
        return self.average.model if self.average else self.model


def build_parts(config: RunConfig, device: torch.device) -> Parts:
    """Build everything a run steps with; weights are drawn from `config.seed` on the CPU, then moved."""
    classes = names.dataset_info(config.dataset).num_classes
    torch.manual_seed(config.seed)
    model: SegModel = names.build("model", config.model, classes).to(device)
    picked = pick(config, device)
    computes(model, picked)
    if picked.compile:
        model.compile(dynamic=False)
    method: Method = names.build("method", config.method, names.build("loss", config.loss), classes)
    optimizer = names.build("optimizer", config.optimizer, names.build("groups", config.groups, model))
    shape = names.build("scheduler", config.scheduler)
    if hasattr(shape, "momentum") and not has_momentum(optimizer):
        problem = f"scheduler {config.scheduler.name} moves the momentum, and this optimizer has none"
        raise BenchError(problem, remedy="give it momentum, or the schedule none", key="scheduler.momentum")
    return Parts(
        model=model,
        method=method,
        optimizers=(optimizer,),
        shape=shape,
        augment=tuple(names.build("augment", c) for c in config.augment),
        lr=float(optimizer.defaults["lr"]),
        scaler=torch.amp.GradScaler(device.type) if picked.precision == "fp16" and device.type == "cuda" else None,
        picked=picked,
    )


def open_dataset(config: RunConfig, domain: str, split: str, data_root: Path | None) -> Dataset:
    """The images of `domain` (`dataset/domain`) in `split`; see `bench.names.dataset_of` for the options it gets."""
    where = Domain.parse(domain)
    component = names.dataset_of(config.dataset, where)
    root = data_root / where.dataset if data_root is not None else None
    dataset: Dataset = names.build("dataset", component, root, where.name, split)
    return dataset


def splits_of(config: RunConfig) -> dict[str, tuple[str, ...]]:
    """Which domains of which split a run reads."""
    along = dict.fromkeys((*config.evaluate_on, config.source)) if config.evaluate_every else ()
    seen = sight(config)
    looked_at = seen.unlabelled or (config.target if config.evaluate_every else None)  # by scores without labels
    target = () if looked_at is None else (looked_at,)
    return {"train": seen.labelled, "target": target, "test": config.evaluate_on, "val": tuple(along)}
