"""A module and one image -> milliseconds per image, end to end, or the reason why no figure is published.

Synchronise, start, forward, synchronise, stop: what a user who waits for one image sees.  The input already lies on the
device, the module is in eval mode under `inference_mode`, warm-up readings are kept apart, nothing is discarded.
"""

from __future__ import annotations

import contextlib
import statistics
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

from bench.cost.clock import Clock
from bench.cost.conditions import cpu_threads, evaluating, launches_block, no_garbage_collection
from bench.cost.plausibility import impossible, scattered
from bench.cost.statistics import std
from bench.spec import JSON, Measurement

MIN_SAMPLES, MAX_SAMPLES, FEW_SAMPLES = 3, 200, 20
WARMUP_SHARE, MAX_WARMUP_S, KEPT_WARMUPS = 0.2, 2.0, 20
UNSTEADY = 0.1
"""Std per mean above which a reader is warned (pyperf's threshold); above a half nothing is published."""
MIN_CPU_SHARE = 0.95
"""CPU time per wall time and thread below which other programs had the processor."""


@dataclass(frozen=True)
class Latency:
    """What was measured: `measurement` in ms, or None and in `refused` why; `protocol` says how."""

    measurement: Measurement | None
    flags: tuple[str, ...] = ()
    refused: str | None = None
    protocol: dict[str, JSON] = field(default_factory=dict)


class _Reading(NamedTuple):
    wall_s: float
    cpu_s: float


def measure_latency(
    module: nn.Module,
    example: Tensor,
    *,
    clock: Clock,
    budget_s: float = 15.0,
    threads: int = 1,
    macs: int | None = None,
    peak_flops: float | None = None,
) -> Latency:
    """Time `module(example)`, `example` being one image (1, 3, H, W) on the module's device.

    Warm-up takes a fifth of the budget but at most 2 s; then as many readings as the budget holds, at least 3 (then it
    is overrun) and at most 200.  `threads` are the CPU's, put back afterwards.  With `macs` and the card's `peak_flops`
    (FLOP/s, its fastest float format) a timing that would exceed the peak is refused.  Raises ValueError for a batch:
    a batch's time divided by its size is no latency.
    """
    if example.shape[0] != 1:
        raise ValueError(f"latency is per image: a batch of 1, not {example.shape[0]}")
    protocol: dict[str, JSON] = {
        "latency": "end to end, batch 1, synchronised before and after",
        "threads": None if clock.queued else threads,
        "budget_s": budget_s,
        "plausibility": "not checked: no peak known" if peak_flops is None or macs is None else "checked",
    }
    if clock.queued and launches_block():
        return Latency(
            None, refused="CUDA_LAUNCH_BLOCKING is set: it adds a wait per kernel; unset it", protocol=protocol
        )
    with contextlib.ExitStack() as conditions:
        if not clock.queued:
            conditions.enter_context(cpu_threads(threads))
        for condition in (evaluating(module), no_garbage_collection(), torch.inference_mode()):
            conditions.enter_context(condition)
        warmups = _warm_up(module, example, clock, min(WARMUP_SHARE * budget_s, MAX_WARMUP_S))
        readings = _sample(module, example, clock, budget_s - sum(r.wall_s for r in warmups))
    protocol["warmups"] = len(warmups)
    measurement = Measurement(
        unit="ms",
        values=tuple(1e3 * r.wall_s for r in readings),
        warmups=tuple(1e3 * r.wall_s for r in warmups[:KEPT_WARMUPS]),
    )
    refused = _refusal(measurement.values, macs, peak_flops)
    if refused:
        return Latency(None, refused=refused, protocol=protocol)
    return Latency(measurement, _flags(readings, threads, clock), protocol=protocol)


def _read(module: nn.Module, example: Tensor, clock: Clock) -> _Reading:
    clock.synchronise()
    cpu, start = clock.cpu_s(), clock.now_s()
    module(example)
    clock.synchronise()
    wall = clock.now_s() - start
    return _Reading(wall, clock.cpu_s() - cpu)


def _warm_up(module: nn.Module, example: Tensor, clock: Clock, seconds: float) -> list[_Reading]:
    """At least one call: it carries the allocator, the choice of kernels, and clocks that have to rise."""
    readings = [_read(module, example, clock)]
    end = clock.now_s() + seconds - readings[0].wall_s
    while clock.now_s() < end:
        readings.append(_read(module, example, clock))
    return readings


def _sample(module: nn.Module, example: Tensor, clock: Clock, seconds: float) -> list[_Reading]:
    end = clock.now_s() + seconds
    readings: list[_Reading] = []
    while len(readings) < MIN_SAMPLES or (clock.now_s() < end and len(readings) < MAX_SAMPLES):
        readings.append(_read(module, example, clock))
    return readings


def _refusal(values: tuple[float, ...], macs: int | None, peak_flops: float | None) -> str | None:
    mean = statistics.fmean(values)
    if macs is not None and peak_flops is not None:
        # The median: one late reading must not lift an impossible series above the bound.
        reason = impossible(macs, statistics.median(values) / 1e3, peak_flops)
        if reason:
            return reason
    return scattered(mean, std(values))


def _flags(readings: list[_Reading], threads: int, clock: Clock) -> tuple[str, ...]:
    flags = []
    if len(readings) < FEW_SAMPLES:
        flags.append(f"few samples (n={len(readings)})")
    walls = [r.wall_s for r in readings]
    spread, mean = std(walls), statistics.fmean(walls)
    if spread is not None and spread > UNSTEADY * mean:
        flags.append(f"unsteady (std is {spread / mean:.0%} of the mean)")
    if not clock.queued:
        share = statistics.median(r.cpu_s / r.wall_s if r.wall_s else 1.0 for r in readings)
        if share < MIN_CPU_SHARE * threads:
            flags.append(f"contended (CPU time / wall {share:.2f} over {threads} thread{'s' * (threads > 1)})")
    return tuple(flags)
