"""What came back: a run's record or failure, a model's costs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bench.spec.request import RunConfig
from bench.spec.values import JSON, Component, Frozen

SCHEMA = 3
"""Schema number of records. History: 1 (2026-11) first; 2 (2026-11) what a run was made with (digests of code and of
starting weights), target images, multiply-adds of its training, scores that need no label; 3 (2026-11) precision and
layout as they were picked, what it started from, its teacher, where it stopped early, batches without a label."""


class Measurement(Frozen):
    """Raw readings in `unit`; every statistic is derived from `values`, the first `warmups` readings left out of it."""

    unit: str
    values: tuple[float, ...]
    warmups: tuple[float, ...] = ()


class History(Frozen):
    """What the loop reported: entry i of each list belongs to `steps[i]` (number of updates made so far)."""

    steps: tuple[int, ...] = ()
    losses: dict[str, tuple[float | None, ...]] = Field(default_factory=dict)
    lr: tuple[float, ...] = ()


Counts = tuple[tuple[int, ...], ...]
"""Confusion counts, row = label, column = prediction."""


class Evaluation(Frozen):
    """Confusion counts per domain after `step` updates, on `split`.

    `label_free` are the scores of that network which need no label of the target, by the names of `bench.selection`;
    None for one that could not be had.
    """

    step: int
    split: str
    confusion: dict[str, Counts]
    label_free: dict[str, float | None] = Field(default_factory=dict)


class RunRecord(Frozen):
    """Everything one finished training run leaves; scores such as mIoU are derived, never stored.

    `code` holds a digest for each part of the code that decided the numbers (`bench.names.code`), `weights_sha256` that
    of the weights it started from, `target_images` how many images of the target it had without labels,
    `training_macs` the multiply-adds of all forward and backward passes of its steps, as they are counted on a step
    without memory; what a method does between steps is not in it.

    `steps` are the updates that were made: with `stopped_at` the run ended there, before its time, because its scores
    had ceased to grow.  `picked` is the precision, memory layout and compilation in use on this device and, where a
    CUDA graph was asked for, what of a step it held or why there was none; `init` what the weights were started from
    and `teacher` the network that taught, None for none; `unlabelled_batches` counts batches
    of the labelled split without one labelled pixel.
    """

    schema_number: int = SCHEMA
    kind: Literal["run"] = "run"
    run_id: str
    name: str
    sweep: str
    config: RunConfig
    synthetic: bool
    classes: tuple[str, ...]
    confusion: dict[str, Counts]
    images_scored: dict[str, int]
    images_file: str | None = None
    images_sha256: str | None = None
    history: History
    evaluations: tuple[Evaluation, ...] = ()
    chosen_step: int
    steps: int
    images_seen: int
    source_images: int
    target_images: int = 0
    training_macs: int | None = None
    picked: dict[str, JSON] = Field(default_factory=dict)
    init: dict[str, JSON] | None = None
    teacher: dict[str, JSON] | None = None
    stopped_at: int | None = None
    unlabelled_batches: int | None = None
    resumed_at: tuple[int, ...] = ()
    seconds: dict[str, float]
    memory_bytes: dict[str, int | None]
    device: str
    machine: dict[str, JSON]
    software: dict[str, JSON]
    commit: str | None
    dirty: bool | None
    data_digests: dict[str, str]
    code: dict[str, str] = Field(default_factory=dict)
    weights_sha256: str | None = None
    started_utc: str
    finished_utc: str


class Failure(Frozen):
    """A run that did not finish, after `tries` of a sweep: `state` is a word for the table, `reason` one line.

    After `data` (missing or wrong) and `interrupted` the next sweep tries again by itself.  `died` is a process that
    ended without a word, `hung` one that made no progress and was ended.
    """

    kind: Literal["failure"] = "failure"
    run_id: str
    name: str
    sweep: str
    config: RunConfig
    state: Literal["failed", "diverged", "oom", "data", "interrupted", "died", "hung"]
    reason: str
    tries: int = 1
    device: str
    finished_utc: str


class CostRecord(Frozen):
    """What a model costs on one machine: counts are per image of `input_shape`; never tied to a loss, seed or source.

    `macs` counts multiply-adds of convolutions and matrix products (torch's flop counter / 2) of the deployed graph;
    `fvcore_total` is fvcore's own sum for one image (multiply-adds plus its BN and resize terms).
    `latency` is end to end per image: input resident on the device, synchronised on both sides.
    """

    schema_number: int = SCHEMA
    kind: Literal["cost"] = "cost"
    model: Component
    num_classes: int
    input_shape: tuple[int, int, int, int]
    params_deployed: int
    params_training: int
    macs: int
    macs_training_graph: int
    fvcore_total: int | None
    fvcore_total_training_graph: int | None
    fvcore_uncounted: dict[str, int] = Field(default_factory=dict)
    latency: Measurement | None
    latency_flags: tuple[str, ...] = ()
    latency_refused: str | None = None
    protocol: dict[str, JSON]
    memory_bytes: dict[str, int | None]
    device: str
    machine: dict[str, JSON]
    software: dict[str, JSON]
    commit: str | None
    dirty: bool | None
    measured_utc: str
