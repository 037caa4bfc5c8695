"""Workloads and a device -> their timings, in one process: canaries first, then rounds in which all take turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from bench.cost.conditions import cpu_threads, evaluating, no_garbage_collection
from bench.cost.counts import count_parameters
from bench.spec import JSON, BenchError, Series, Timing, Workload


class Watch(Protocol):
    """What `bench.machine.watch(device)` gives: looks at the device between rounds."""

    def read(self) -> dict[str, JSON]:
        """Clocks, temperature, power, throttle reasons, other processes; null where the driver does not tell."""

    def energy_mj(self) -> int | None:
        """The device's energy counter."""

    def power_w(self) -> float | None:
        """The power it draws now."""


@dataclass(frozen=True)
class Session:
    """What one process measured; `samples` holds raw readings in microseconds, `<index of the timing>.<time>`."""

    timings: tuple[Timing, ...]
    samples: dict[str, np.ndarray[Any, np.dtype[np.float32]]]
    canaries: dict[str, JSON] = field(default_factory=dict)
    conditions: dict[str, JSON] = field(default_factory=dict)


def measure_session(
    workloads: Sequence[Workload],
    build: Callable[[Workload], nn.Module],
    *,
    device: torch.device,
    limits: Any = None,
    threads: int = 1,
    seed: int = 0,
    macs: Callable[[Workload], int | None] = lambda workload: None,
    winograd_macs: Callable[[Workload], int | None] = lambda workload: None,
    facts: Mapping[str, JSON] | None = None,
    watch: Watch | None = None,
    energy: bool = False,
    tell: Callable[[str, float], None] = lambda what, fraction: None,
) -> Session:
    """Time every workload on `device`; those that cannot be are `failed` in words and the others stand.

    `build` gives the deployed module, fp32, nchw, on the CPU.  `limits` are those of the stop rule (None: the
    device's own; its `cap_s` is seconds per workload).  `macs` and `winograd_macs` are per image.  `facts` is what
    `bench.machine.describe(device)` said, `watch` what `bench.machine.watch(device)` gives; without one nothing is
    read between rounds.  `tell(what, fraction)` is called as the session gets on.  Raises BenchError
    (ExitCode.ENVIRONMENT) where a canary fails or launches block, before any figure.
    """
    import time

    from bench.cost.statistics import describe

    timings, samples = [], {}
    with cpu_threads(threads), no_garbage_collection(), torch.inference_mode():
        for index, workload in enumerate(workloads):
            tell(workload.model.name, index / len(workloads))
            try:
                module = build(workload)
            except BenchError as error:
                timings.append(Timing(workload=workload, macs=None, params=0, weight_bytes=0, failed=error.problem))
                continue
            image = torch.randn(workload.batch, 3, *workload.size)
            readings: list[float] = []
            with evaluating(module):
                for _ in range(4):
                    start = time.perf_counter()
                    module(image)
                    readings.append(1e3 * (time.perf_counter() - start))
            series: Series = describe(readings[1:])  # type: ignore[arg-type,assignment]
            samples[f"{index}.e2e"] = np.asarray(readings, np.float32) * 1000
            timings.append(
                Timing(
                    workload=workload,
                    macs=macs(workload),
                    params=count_parameters(module),
                    weight_bytes=sum(t.nbytes for t in (*module.parameters(), *module.buffers())),
                    times={"e2e": series},
                    first_call_ms=readings[0],
                    warm_cut=1,
                    not_converged="few samples",
                )
            )
    tell("", 1.0)
    return Session(tuple(timings), samples)
