"""Workloads and a device -> their timings, in one process: canaries first, then rounds in which all take turns."""

from __future__ import annotations

import contextlib
import functools
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import nn

from bench.cost.canary import check_timer
from bench.cost.clock import Device, device_for
from bench.cost.conditions import cpu_threads, launches_block, no_garbage_collection
from bench.cost.energy import Meter, measure_energy
from bench.cost.findings import Count, Samples, cpu_share, describe_track, samples_of, timing_of
from bench.cost.modes import prepare
from bench.cost.rounds import Rounds, Track, name_of
from bench.cost.stopping import CPU_LIMITS, GPU_LIMITS, Limits
from bench.cost.timing import Ahead
from bench.spec import JSON, BenchError, ExitCode, Series, Timing, Workload


class Watch(Meter, Protocol):
    """What `bench.machine.watch(device)` gives: looks at the device between rounds."""

    def read(self) -> dict[str, JSON]:
        """Clocks, temperature, power, throttle reasons, other processes; null where the driver does not tell."""


@dataclass(frozen=True)
class Session:
    """What one process measured; `samples` holds raw readings in microseconds, `<index of the timing>.<time>`.

    Beside the four times and `cpu` there are `warmup` (before the series) and `aside` (of rounds that were repeated):
    end-to-end readings that no statistic holds.  `bench.cost.evidence.recomputed` gives the statistics again.
    """

    timings: tuple[Timing, ...]
    samples: Samples
    canaries: dict[str, JSON] = field(default_factory=dict)
    conditions: dict[str, JSON] = field(default_factory=dict)


def measure_session(
    workloads: Sequence[Workload],
    build: Callable[[Workload], nn.Module],
    *,
    device: torch.device | Device,
    limits: Limits | None = None,
    threads: int = 1,
    seed: int = 0,
    macs: Count = lambda workload: None,
    winograd_macs: Count = lambda workload: None,
    facts: Mapping[str, JSON] | None = None,
    watch: Watch | None = None,
    energy: bool = False,
    tell: Callable[[str, float], None] = lambda what, fraction: None,
) -> Session:
    """Time every workload on `device`; those that cannot be are `failed` in words and the others stand.

    `build` gives the deployed module, fp32, nchw, on the CPU.  `limits` are those of the stop rule (None: the
    device's own; its `cap_s` is seconds per workload).  `macs` and `winograd_macs` are per image.  `facts` is what
    `bench.machine.describe(device)` said, `watch` what `bench.machine.watch(device)` gives; without one nothing is
    read between rounds.  With `energy` each workload then runs for 10 s more between two idle pauses of 10 s.
    `tell(what, fraction)` is called as the session gets on.  Raises BenchError (ExitCode.ENVIRONMENT) where a canary
    fails or launches block, before any figure.
    """
    device = device_for(device) if isinstance(device, torch.device) else device
    facts = facts or {}
    limits = limits or (GPU_LIMITS if device.queued else CPU_LIMITS)
    see: Callable[[], dict[str, JSON]] = watch.read if watch is not None else dict
    if device.queued and launches_block():
        raise BenchError(
            "nothing is timed: CUDA_LAUNCH_BLOCKING is set, which adds a wait to every kernel",
            remedy="unset it",
            code=ExitCode.ENVIRONMENT,
        )
    with _quiet(threads):
        before = _loads()
        tell("canaries", 0.0)
        canaries = check_timer(device, facts)
        tracks: list[Track] = []
        failed: dict[int, Timing] = {}
        rate = canaries["sleep"].get("cycles_per_s")
        for index, workload in enumerate(workloads):
            tell(f"{name_of(workload)}: first call", 0.0)
            ready = _ready(index, workload, build, device, seed, threads, rate)
            if isinstance(ready, Track):
                tracks.append(ready)
            else:
                failed[index] = ready
        Rounds(device, limits, random.Random(seed), see, tell).run(tracks)
        series = {track.index: _described(track, device) for track in tracks}
        failed |= {t.index: _failed(t.workload, t.failed) for t in tracks if t.failed is not None}
        tracks = [track for track in tracks if track.failed is None]
        joules: dict[int, dict[str, JSON] | None] = {
            t.index: measure_energy(device, t.runner, t.workload.batch, watch) if energy else None for t in tracks
        }
        after = _loads()
    judge = functools.partial(timing_of, threads=threads, macs=macs, winograd_macs=winograd_macs)
    timings = {t.index: judge(t, tracks, series, device, facts) for t in tracks}
    timings = {i: timing.model_copy(update={"energy": joules[i]}) for i, timing in timings.items()} | failed
    samples: Samples = {}
    for track in tracks:
        samples.update(samples_of(track, queued=device.queued))
    tell("", 1.0)
    conditions = {
        "threads": None if device.queued else threads,
        "seed": seed,
        "limits": vars(limits),
        "load_average": {"before": before, "after": after},
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "garbage_collection": "off while timing",
        "inference_mode": True,
        "workloads": [_seen(track) for track in tracks],
    }
    return Session(tuple(timings[index] for index in range(len(workloads))), samples, canaries, conditions)


@contextlib.contextmanager
def _quiet(threads: int) -> Iterator[None]:
    with cpu_threads(threads), no_garbage_collection(), torch.inference_mode():
        yield


def _ready(
    index: int,
    workload: Workload,
    build: Callable[[Workload], nn.Module],
    device: Device,
    seed: int,
    threads: int,
    rate: float | None,
) -> Track | Timing:
    """The workload after its first call, or a Timing that says why there is none."""
    device.forget_peak()
    peak: int | None = None
    try:
        with torch.inference_mode(False):
            module = build(workload)
        with device.precision(workload.precision):
            runner = prepare(workload, module, device, seed=seed, threads=threads)
        return Track(index, workload, runner, Ahead(rate) if rate is not None and runner.whole_queue else None)
    except BenchError as error:
        reason = error.problem + (f"; {error.remedy}" if error.remedy else "")
    except torch.OutOfMemoryError:
        peak = device.peak_bytes()
        reason = f"out of memory at batch {workload.batch}" + (f" (peak {peak / 2**30:.2f} GiB)" if peak else "")
    except (RuntimeError, TypeError, ValueError) as error:
        # Torch's own complaints have many types: compilers, captures and kernels that do not exist in a precision.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
    device.release()
    return _failed(workload, reason, peak)


def _described(track: Track, device: Device) -> dict[str, Series]:
    """Its statistics; a clock that ran backwards fails the workload."""
    if track.failed is None:
        try:
            return describe_track(track, queued=device.queued)
        except ValueError as error:
            track.failed = str(error)
    return {}


def _failed(workload: Workload, reason: str, peak: int | None = None) -> Timing:
    memory: dict[str, int | None] = {} if peak is None else {"at_failure": peak}
    return Timing(workload=workload, macs=None, params=0, weight_bytes=0, failed=reason, memory_bytes=memory)


def _loads() -> list[float] | None:
    return [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None


def _seen(track: Track) -> dict[str, Any]:
    """What is worth knowing of a workload beside its statistics."""
    share = cpu_share(track)
    return {
        "index": track.index,
        "inputs": track.runner.pool,
        "seconds": round(track.elapsed_s, 3),
        "compile_s": round(track.runner.first_call_ms / 1e3, 3) if track.workload.mode == "compile" else None,
        "warm_calls": len(track.warmup_ms),
        "preemptions": track.preemptions,
        "cpu_per_wall": None if share is None else round(share, 4),
        "behind": None if track.ahead is None else track.ahead.behind,
        "block": None if track.ahead is None else track.ahead.block,
    }
