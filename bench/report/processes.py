"""A stored record -> the processes it tells of, in one shape for every protocol; what no clock has said is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.cost.statistics import describe_measurement
from bench.report import wording
from bench.report.devices import Device, card_of, device_of
from bench.spec import Component, CostRecord, LatencyRecord, Measurement, Series, Size, Timing, printable
from bench.store import Stored

FIRST_PROTOCOL = 1
"""The protocol of times that stand in cost records: end to end only, one process."""

MILLISECONDS = {"s": 1e3, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
PRECISIONS = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}
ROUNDING = 1e-9
NO_WEIGHTS = ("pretrained",)
"""Options that change the values of weights and so no time."""


@dataclass(frozen=True, order=True)
class Setting:
    """How a network was timed: `size` is (height, width) of an image."""

    classes: int
    size: Size
    batch: int
    precision: str
    layout: str
    mode: str


@dataclass(frozen=True, order=True)
class Work:
    """What was timed; `model` is the canonical text of `component`."""

    model: str
    setting: Setting
    component: Component = field(compare=False)


@dataclass(frozen=True, kw_only=True)
class Process:
    """One timing of one process; `refused` or `failed` says why `times` (name -> statistics in ms a call) is empty."""

    work: Work
    device: Device
    session: str
    times: Mapping[str, Series]
    timing: Timing | None
    params: int
    macs: int | None
    flags: tuple[str, ...]
    verdict: str
    refused: str | None
    failed: str | None
    commit: str | None
    dirty: bool | None
    card: Mapping[str, Any]
    measured_utc: str


def spelled(process: Process) -> str:
    """All that a process says, as one text: the order of processes that were measured in the same second."""
    series = {name: found.model_dump() for name, found in process.times.items()}
    return wording.key_of([series, list(process.flags), process.refused, process.failed])


def of_latency(stored: Stored[LatencyRecord]) -> Iterable[Process]:
    record = stored.record
    device = device_of(stored, record.protocol, record.threads)
    wrong = next((fault for t in record.timings for fault in _faults(t.times)), "")
    for timing in record.timings:
        w = timing.workload
        refused = f"{wrong}; the record is not used" if wrong else timing.refused
        if timing.verdict in ("invalid", "impossible"):
            refused = refused or f"verdict {timing.verdict}"
        refused = printable(refused, 200) if refused else None
        failed = printable(timing.failed, 200) if timing.failed else None
        if not (timing.times or refused or failed):
            failed = "no times in the record"
        yield Process(
            work=_work(w.model, Setting(w.num_classes, w.size, w.batch, w.precision, w.layout, w.mode)),
            device=device,
            session=record.session,
            times={} if refused or failed or "e2e" not in timing.times else timing.times,
            timing=timing,
            params=timing.params,
            macs=timing.macs,
            flags=timing.flags,
            verdict=timing.verdict,
            refused=refused,
            failed=failed if failed or refused or "e2e" in timing.times else "no end-to-end time in the record",
            commit=record.commit,
            dirty=record.dirty,
            card=card_of(record.machine),
            measured_utc=record.measured_utc,
        )


def _work(model: Component, setting: Setting) -> Work:
    options = {k: v for k, v in model.options.items() if k not in NO_WEIGHTS}
    bare = Component(name=model.name, options=options)
    return Work(wording.key_of([bare.name, bare.options]), setting, bare)


def _faults(times: Mapping[str, Series]) -> Iterable[str]:
    """What no clock can have said."""
    for name, s in sorted(times.items()):
        figures = [
            v for v in (s.mean, s.std, s.median, s.mad, s.iqr, s.p5, s.p90, s.p99, s.min, s.max) if v is not None
        ]
        if min(figures) < 0 or (name in ("e2e", "device") and s.min <= 0):
            yield f"{name} holds a time of {min(figures):.3g} ms"
        elif max(figures) >= 1e12:
            yield f"{name} holds a time of more than 30 years"
        elif (
            s.n < 1 or not s.min <= s.median <= s.max or not s.min * (1 - ROUNDING) <= s.mean <= s.max * (1 + ROUNDING)
        ):
            yield f"the statistics of {name} contradict one another"


# ------------------------------------------------------------------ the first protocol


def of_costs(costs: Iterable[Stored[CostRecord]]) -> list[Process]:
    """The last time of each network, input, condition and device."""
    found = [p for stored in costs if (p := _of_cost(stored))]
    found.sort(key=lambda p: (p.measured_utc, spelled(p)))
    return list({(p.work, p.device): p for p in found}.values())


def _of_cost(stored: Stored[CostRecord]) -> Process | None:
    r = stored.record
    if r.latency is None and not r.latency_refused:
        return None
    told = {k: wording.number(r.protocol[k]) for k in ("precision", "layout", "mode") if r.protocol.get(k) is not None}
    precision = told.get("precision", "fp32")
    setting = Setting(
        classes=r.num_classes,
        size=r.input_shape[2:],
        batch=1,
        precision=PRECISIONS.get(precision, precision),
        layout=told.get("layout", "nchw"),
        mode=told.get("mode", "eager"),
    )
    threads = r.protocol.get("threads")
    series = _series(r.latency) if r.latency and not r.latency_refused else None
    refused = printable(r.latency_refused, 200) if r.latency_refused else None
    if series is None and not refused and r.latency:
        refused = f"no reading that could be one, in {printable(r.latency.unit, 40)}"
    return Process(
        work=_work(r.model, setting),
        device=device_of(stored, FIRST_PROTOCOL, threads if isinstance(threads, int) else None),
        session="",
        times={"e2e": series} if series else {},
        timing=None,
        params=r.params_deployed,
        macs=r.macs,
        flags=r.latency_flags,
        verdict="not checked",
        refused=refused,
        failed=None,
        commit=r.commit,
        dirty=r.dirty,
        card=card_of(r.machine),
        measured_utc=r.measured_utc,
    )


def _series(found: Measurement) -> Series | None:
    """Statistics in ms; None for an unknown unit, or readings that no clock can have given."""
    factor = MILLISECONDS.get(found.unit)
    readings = tuple(factor * v for v in found.values) if factor else ()
    if not readings or any(not 0 < v < 1e12 for v in readings):
        return None
    return describe_measurement(found.model_copy(update={"unit": "ms", "values": readings, "warmups": ()}))
