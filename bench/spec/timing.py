"""What came back from timing: one process's times of a set of workloads on one device."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bench.spec.record import SCHEMA
from bench.spec.values import JSON, Component, Frozen, Size

PROTOCOL = 2
"""Number of the measuring protocol; figures of different protocols are never compared.

History: 1 (2026-11) end to end only, one process, inside CostRecord.  2 (2026-11) four times, canaries, stop rule,
several processes.
"""

Precision = Literal["fp32", "tf32", "bf16", "fp16"]
Layout = Literal["nchw", "nhwc"]
Mode = Literal["eager", "graph", "compile", "onnx"]
Verdict = Literal["ok", "launch-bound", "suspect", "invalid", "impossible", "not checked"]


class Workload(Frozen):
    """What is timed: a deployed model with random weights on a batch of images of `size` = (height, width)."""

    model: Component
    num_classes: int = Field(ge=1)
    size: Size
    batch: int = Field(default=1, ge=1)
    precision: Precision = "fp32"
    layout: Layout = "nchw"
    mode: Mode = "eager"


class Series(Frozen):
    """Statistics of the readings kept after warm-up, in ms per call (a call is one batch); nothing is left out.

    `far` counts readings beyond 10 robust standard deviations (14.826 MAD) of the median; `drift` is the median of the
    second half over that of the first, minus 1; `ac1` the lag-1 autocorrelation.  None where too few readings tell.
    """

    n: int
    mean: float
    std: float | None
    cv: float | None
    median: float
    median_low: float | None
    median_high: float | None
    mad: float
    iqr: float
    p5: float
    p90: float | None
    p99: float | None
    min: float
    max: float
    ac1: float | None
    drift: float | None
    far: int


class Timing(Frozen):
    """One workload in one process.

    `times` holds up to four series and the CPU's own: `e2e` (host clock, synchronised before and after), `device`
    (events, queue kept ahead), `enqueue` (host time until the call returns: what a script that never waits would
    publish), `cpu` (process CPU time, on a CPU only).  In mode `graph` they are those of a CUDA graph's replay.
    `refused` says why no table may show the figures; `failed` why there are none (out of memory, mode not there).
    """

    workload: Workload
    macs: int | None
    params: int
    weight_bytes: int
    times: dict[str, Series] = Field(default_factory=dict)
    first_call_ms: float | None = None
    warm_cut: int = 0
    converged: bool = False
    not_converged: str = ""
    rounds: tuple[dict[str, JSON], ...] = ()
    memory_bytes: dict[str, int | None] = Field(default_factory=dict)
    energy: dict[str, JSON] | None = None
    flags: tuple[str, ...] = ()
    verdict: Verdict = "not checked"
    refused: str | None = None
    failed: str | None = None


class LatencyRecord(Frozen):
    """One process of a measurement: `session` is shared by the `repeats` processes that belong together.

    Raw readings, warm-up included, lie in `samples_file` beside the record: `<index of the timing>.<time>` in
    microseconds, float32.
    """

    schema_number: int = SCHEMA
    kind: Literal["latency"] = "latency"
    protocol: int = PROTOCOL
    session: str
    repeat: int
    repeats: int
    timings: tuple[Timing, ...]
    canaries: dict[str, JSON]
    threads: int | None
    conditions: dict[str, JSON] = Field(default_factory=dict)
    samples_file: str | None = None
    samples_sha256: str | None = None
    device: str
    machine: dict[str, JSON]
    software: dict[str, JSON]
    commit: str | None
    dirty: bool | None
    measured_utc: str
