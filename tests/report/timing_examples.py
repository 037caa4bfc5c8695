"""Latency records of three made-up devices, small and written by arithmetic, so that every figure can be worked out."""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.cost.statistics import describe
from bench.spec import Component, LatencyRecord, Series, Timing, Workload
from bench.store import Contents, Store, Stored

DEEPLAB = Component(name="deeplabv2_resnet101", options={"variant": "caffe", "pretrained": None})
PIDNET = Component(name="pidnet_s", options={"aux": True, "pretrained": None})
UNET = Component(name="unet_resnet18", options={"pretrained": None})
MACS = {"deeplabv2_resnet101": 184_519_925_760, "pidnet_s": 5_893_029_888, "unet_resnet18": 21_819_000_000}
PARAMS = {"deeplabv2_resnet101": 43_016_284, "pidnet_s": 7_624_167, "unet_resnet18": 14_329_079}

H200 = {
    "slug": "nvidia-h200-141g-700w",
    "device": "NVIDIA H200 141 GB",
    "threads": None,
    "machine": {"gpu": {"name": "NVIDIA H200", "capability": "9.0", "sm_count": 132, "driver": "580.65.06"}},
    "software": {"torch": "2.15.0+cu132", "cuda": "13.2", "cudnn": 91002},
}
T4 = {
    "slug": "tesla-t4-16g-70w",
    "device": "Tesla T4 16 GB",
    "threads": None,
    "machine": {"gpu": {"name": "Tesla T4", "capability": "7.5", "sm_count": 40, "driver": "580.65.06"}},
    "software": {"torch": "2.15.0+cu132", "cuda": "13.2", "cudnn": 91002},
}
CPU = {
    "slug": "amd-epyc-1t",
    "device": "AMD EPYC, 1 thread",
    "threads": 1,
    "machine": {"gpu": None, "cpu": {"name": "AMD EPYC"}},
    "software": {"torch": "2.15.0", "cuda": "13.2", "cudnn": None},
}


def series(median: float, n: int = 200, spread: float = 0.01, seed: int = 0) -> Series:
    """Statistics of `n` readings around `median`, all positive."""
    return describe(readings(median, n, spread, seed))


def readings(median: float, n: int = 200, spread: float = 0.01, seed: int = 0) -> list[float]:
    rng = random.Random(seed)
    found = [median * (1 + spread * rng.uniform(-1, 1)) for _ in range(n)]
    return [r * median / statistics.median(found) for r in found]


def timing(model: Component = PIDNET, ms: float | Mapping[str, float] = 10.0, **changes: Any) -> Timing:
    """A timing with the medians `ms` by time (one number: end to end); words for the workload go there by name."""
    medians = dict(ms) if isinstance(ms, Mapping) else {"e2e": float(ms)}
    own = {k: changes.pop(k) for k in ("size", "num_classes", "batch", "precision", "layout", "mode") if k in changes}
    n, spread, seed = changes.pop("n", 200), changes.pop("spread", 0.01), changes.pop("seed", 0)
    plain: dict[str, Any] = {
        "workload": Workload(model=model, **{"num_classes": 7, "size": (512, 512), **own}),
        "macs": MACS.get(model.name),
        "params": PARAMS.get(model.name, 1),
        "weight_bytes": 4 * PARAMS.get(model.name, 1),
        "times": {name: series(value, n, spread, seed) for name, value in medians.items()},
        "first_call_ms": 100.0,
        "converged": True,
        "verdict": "ok",
    }
    return Timing(**{**plain, **changes})


def unfinished(model: Component = PIDNET, **words: Any) -> Timing:
    """A timing without figures: `refused` or `failed` says why."""
    return timing(model, {}, first_call_ms=None, converged=False, verdict=words.pop("verdict", "not checked"), **words)


def latency(timings: Iterable[Timing], on: Mapping[str, Any] = H200, **changes: Any) -> Stored[LatencyRecord]:
    """One process's record as it lies in the folder of its device."""
    origin, repeat = changes.pop("origin", "local"), changes.pop("repeat", 0)
    slug = str(changes.pop("slug", on["slug"]))
    plain: dict[str, Any] = {
        "session": f"{slug}-1",
        "repeat": repeat,
        "repeats": 3,
        "timings": tuple(timings),
        "canaries": {},
        "threads": on["threads"],
        "device": on["device"],
        "machine": on["machine"],
        "software": on["software"],
        "commit": "0123456789abcdef",
        "dirty": False,
        "measured_utc": f"2026-11-20T10:0{repeat}:00Z",
    }
    record = LatencyRecord(**{**plain, **changes})
    return Stored(record, Path("costs") / slug / f"{record.session.replace('/', '_')}-{repeat}.json", origin)


def repeats(
    times: Mapping[str, float | Mapping[str, float]],
    on: Mapping[str, Any] = H200,
    factors: Sequence[float] = (0.995, 1.0, 1.005),
    **changes: Any,
) -> list[Stored[LatencyRecord]]:
    """One process per factor, each timing the models by name at these medians times its factor."""
    models = {m.name: m for m in (DEEPLAB, PIDNET, UNET)}
    named = {k: changes.pop(k) for k in list(changes) if k in LatencyRecord.model_fields or k in ("origin", "slug")}
    found = []
    for repeat, factor in enumerate(factors):
        timings = []
        for name, ms in times.items():
            medians = ms if isinstance(ms, Mapping) else {"e2e": ms}
            scaled = {time: factor * value for time, value in medians.items()}
            timings.append(timing(models[name], scaled, seed=repeat, **changes))
        found.append(latency(timings, on, repeat=repeat, **named))
    return found


def card(e2e: float, device: float, enqueue: float) -> dict[str, float]:
    return {"e2e": e2e, "device": device, "enqueue": enqueue}


def three_devices() -> list[Stored[LatencyRecord]]:
    """An H200 whose small networks wait for launches, a T4 that changes their order, and a CPU with few readings."""
    launching = {"pidnet_s": card(4.1, 1.3, 3.9), "unet_resnet18": card(1.62, 1.44, 1.20)}
    h200 = [
        _with(a, b, c)
        for a, b, c in zip(
            repeats({"deeplabv2_resnet101": card(8.92, 8.61, 2.9)}),
            repeats(launching, verdict="launch-bound", flags=("launch-bound",)),
            repeats({"pidnet_s": card(1.21, 1.15, 0.1), "unet_resnet18": card(1.40, 1.36, 0.1)}, mode="graph"),
            strict=True,
        )
    ]
    half = repeats({"deeplabv2_resnet101": card(2.2, 1.9, 2.1)}, precision="bf16", verdict="launch-bound")
    h200 = [_with(a, b) for a, b in zip(h200, half, strict=True)]
    t4 = repeats(
        {
            "deeplabv2_resnet101": card(96.5, 96.1, 3.3),
            "pidnet_s": card(6.03, 5.84, 4.6),
            "unet_resnet18": card(14.8, 14.6, 1.4),
        },
        T4,
        flags=("power-capped",),
    )
    refused = "impossible: 4.032 ms for 184.5 GMAC is 91.5 TFLOP/s, 141 % of the card's peak"
    t4 = [
        _with(
            stored,
            latency(
                [
                    unfinished(DEEPLAB, precision="fp16", refused=refused, verdict="impossible"),
                    unfinished(PIDNET, batch=16, failed="out of memory"),
                ],
                T4,
            ),
        )
        for stored in t4
    ]
    cpu = repeats(
        {"deeplabv2_resnet101": 3044.0, "pidnet_s": 90.5, "unet_resnet18": 304.1},
        CPU,
        (0.97, 1.0, 1.02),
        n=12,
        spread=0.05,
        converged=False,
        not_converged="ci",
        verdict="not checked",
        flags=("contended (CPU time / wall 0.91 over 1 thread)",),
    )
    return [*h200, *t4, *cpu]


def _with(first: Stored[LatencyRecord], *others: Stored[LatencyRecord]) -> Stored[LatencyRecord]:
    """One record with the timings of several."""
    timings = (*first.record.timings, *(t for other in others for t in other.record.timings))
    return Stored(first.record.model_copy(update={"timings": timings}), first.path, first.origin)


def contents(found: Iterable[Stored[LatencyRecord]], **more: Any) -> Contents:
    return Contents(latencies=tuple(found), **more)


def written(found: Iterable[Stored[LatencyRecord]], root: Path) -> Store:
    """The records in a results folder, as the store writes them."""
    store = Store(root)
    for stored in found:
        store.add_latency(stored.record, stored.path.parent.name, {"0.e2e": np.zeros(1, np.float32)})
    return store
