"""Workloads and a device -> timed in fresh processes, one after the other, each one's readings stored as a record.

A process is stored whole or not at all.  One that dies is recorded with the reason in place of figures, and the others
stand.  Nothing here touches the device: what the parent holds on a card would lie beside what is measured.
"""

from __future__ import annotations

import functools
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import nn

from bench import machine
from bench.cost.counts import count, parameters
from bench.run.events import utc_now
from bench.run.timing_child import LOOK_S, Died, Stopped, attend
from bench.run.timing_process import SAMPLES, TIMINGS, Facts, Readings, Request, build
from bench.spec import BenchError, LatencyRecord, Size, Timing, Workload
from bench.store import Store


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be timed and how: `budget_s` caps each workload in each process (None: as the protocol has it)."""

    workloads: tuple[Workload, ...]
    device: str = "cpu"
    repeats: int = 3
    threads: int = 1
    budget_s: float | None = None
    pause_s: float = 0.0
    energy: bool = False


@dataclass(frozen=True)
class Beat:
    """A process is at work: on what, and which share of its work is done."""

    repeat: int
    what: str
    fraction: float


@dataclass(frozen=True)
class Lost:
    """A process that died before it could say where it ran: nothing to record."""

    repeat: int
    reason: str


@dataclass(frozen=True)
class Finished:
    """A process whose record has been stored at `path`."""

    repeat: int
    record: LatencyRecord
    path: Path


Event = Beat | Lost | Finished


@dataclass
class _Repeat:
    """What one repeat has come to so far; `lost` says of workloads (by their text) why they ended a process."""

    number: int
    lost: dict[str, str] = field(default_factory=dict)
    facts: Facts | None = None
    readings: Readings = field(default_factory=lambda: Readings(timings=(), canaries={}, conditions={}))
    samples: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class _Counted:
    params: int
    weight_bytes: int
    macs: int | None
    winograd_macs: int | None


def measure_latency(asked: Asked, store: Store, *, stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
    """Measure `asked` and store a record for each process; ends early, the process under way discarded, on `stop`.

    Raises BenchError where the device refuses every figure (canaries out of bounds), and for a model that cannot be
    built.
    """
    session, commit = f"s-{secrets.token_hex(8)}", machine.commit()
    counted = _count(asked.workloads)
    for number in range(1, asked.repeats + 1):
        repeat = _Repeat(number)
        if number > 1 and asked.pause_s:
            yield Beat(number, "pausing", 0.0)
            _wait(asked.pause_s, stop)
        try:
            yield from _time(asked, repeat, counted, stop)
        except Stopped:
            return
        if repeat.facts is None:
            yield Lost(number, next(iter(repeat.lost.values())))
            continue
        lost = [_failed(w, counted[_key(w)], repeat.lost[_key(w)]) for w in asked.workloads if _key(w) in repeat.lost]
        record = LatencyRecord(
            session=session,
            repeat=number,
            repeats=asked.repeats,
            timings=(*(_whole(t, counted[_key(t.workload)]) for t in repeat.readings.timings), *lost),
            canaries=repeat.readings.canaries,
            threads=None if asked.device.startswith("cuda") else asked.threads,
            conditions=repeat.readings.conditions,
            device=repeat.facts.label,
            machine=repeat.facts.machine,
            software=repeat.facts.software,
            commit=commit[0],
            dirty=commit[1],
            measured_utc=utc_now(),
        )
        yield Finished(number, record, store.add_latency(record, repeat.facts.slug, repeat.samples))


def _time(asked: Asked, repeat: _Repeat, counted: Mapping[str, _Counted], stop: Callable[[], bool]) -> Iterator[Beat]:
    """One process that times everything; where a signal ends it, another one without the largest batch."""
    while left := [w for w in asked.workloads if _key(w) not in repeat.lost]:
        try:
            with tempfile.TemporaryDirectory(prefix="bench-") as folder:
                request = Request(
                    workloads=tuple(left),
                    macs=tuple(counted[_key(w)].macs for w in left),
                    winograd_macs=tuple(counted[_key(w)].winograd_macs for w in left),
                    device=asked.device,
                    threads=asked.threads,
                    seed=repeat.number,
                    budget_s=asked.budget_s,
                    energy=asked.energy,
                    folder=folder,
                )
                for word in attend(request, stop=stop):
                    if "facts" in word:
                        repeat.facts = Facts.model_validate(word["facts"])
                    else:
                        yield Beat(repeat.number, word["what"], word["fraction"])
                repeat.readings = Readings.model_validate_json((Path(folder) / TIMINGS).read_text(encoding="utf-8"))
                with np.load(Path(folder) / SAMPLES, allow_pickle=False) as samples:
                    repeat.samples = dict(samples)
                return
        except Died as death:
            heaviest = max(w.batch for w in left)
            # Memory is what kills; what smaller batches cost can still be learnt.
            at_fault = [w for w in left if w.batch == heaviest] if death.killed else left
            repeat.lost.update({_key(w): death.reason for w in at_fault})


def _count(workloads: Sequence[Workload]) -> dict[str, _Counted]:
    """Parameters, bytes and multiply-adds per image of each workload; networks are built and not run.

    Multiply-adds are None where no figure can be had; a timing is then not held against the device's peak.
    """

    @functools.cache
    def module(model: str, classes: int) -> nn.Module:
        return build(next(w for w in workloads if (str(w.model), w.num_classes) == (model, classes)))

    @functools.cache
    def macs(model: str, classes: int, size: Size) -> tuple[int | None, int | None]:
        try:
            counted = count(module(model, classes), (1, 3, *size))
        except BenchError:
            return None, None
        return counted.macs, counted.winograd_macs

    found: dict[str, _Counted] = {}
    for w in workloads:
        deployed = module(str(w.model), w.num_classes)
        every, fewest = macs(str(w.model), w.num_classes, w.size)
        found[_key(w)] = _Counted(
            params=parameters(deployed).total,
            weight_bytes=parameters(deployed).bytes // _SHORTER[w.precision],
            macs=every,
            winograd_macs=fewest,
        )
    return found


_SHORTER = {"fp32": 1, "tf32": 1, "bf16": 2, "fp16": 2}


def _key(workload: Workload) -> str:
    return workload.model_dump_json()


def _failed(workload: Workload, counted: _Counted, reason: str) -> Timing:
    return Timing(
        workload=workload,
        macs=counted.macs,
        params=counted.params,
        weight_bytes=counted.weight_bytes,
        failed=reason,
    )


def _whole(timing: Timing, counted: _Counted) -> Timing:
    """A timing that failed with what is known of its network all the same, so that records of one network agree."""
    if timing.failed is None:
        return timing
    known = _failed(timing.workload, counted, timing.failed)
    return known.model_copy(update={"memory_bytes": timing.memory_bytes})


def _wait(seconds: float, stop: Callable[[], bool]) -> None:
    """Wait, or less if somebody asks to stop."""
    end = time.monotonic() + seconds
    while not stop() and time.monotonic() < end:
        time.sleep(LOOK_S)
