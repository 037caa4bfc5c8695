"""A configuration -> one step on tensors that have a shape and no memory: what does not fit shows in a moment."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import torch

from bench import names
from bench.batches import Batch
from bench.methods.method import Setting
from bench.run.parts import Parts, build_parts
from bench.run.teaching import Teachers
from bench.spec import BenchError, RunConfig, Size
from bench.store import Store

META = torch.device("meta")


def on_nothing(
    config: RunConfig,
    size: Size,
    *,
    images: int = 2,
    steps: int = 100,
    store: Store | None = None,
    planned: Mapping[str, RunConfig] | None = None,
) -> tuple[Parts, Batch]:
    """The parts of a run of `steps` updates, its method attached, and a batch of `images` of `size`, all on `meta`.

    Runs that the method learns from are in `store`, or `planned` by their ids.
    """
    with META, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns that initialising a meta tensor does nothing
        parts = build_parts(config, META)
    shown = torch.zeros(images, 3, *size, device=META)
    labels = torch.zeros(images, *size, dtype=torch.int64, device=META)
    for transform in parts.augment:
        shown, labels = transform(shown, labels, torch.Generator())
    classes = names.dataset_info(config.dataset).num_classes
    if hasattr(parts.method.loss, "fit"):
        parts.method.loss.fit(torch.ones(1, classes, dtype=torch.int64))  # as if each class had a pixel
    with META, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        teachers = Teachers(config, META, lambda: _given(store), planned)
        setting = Setting(device=META, steps=steps, seed=0, num_classes=classes, network=teachers)
        parts.method.attach(parts.model, setting)
    return parts, Batch(shown, labels, target_images=shown.clone())


def _given(store: Store | None) -> Store:
    if store is None:
        raise BenchError("a run that this one learns from cannot be looked up here", key="method.teacher")
    return store


def step(parts: Parts, batch: Batch) -> None:
    """Every loss of `batch` and its backward pass, as the loop makes them."""
    for _, loss in parts.method.losses(parts.model, batch):
        loss.backward()  # type: ignore[no-untyped-call]
