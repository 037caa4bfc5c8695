"""Workloads that are ready -> rounds in which each takes its turn, until the stop rule has enough of each."""

from __future__ import annotations

import functools
import itertools
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from bench.cost.clock import Device
from bench.cost.modes import Runner
from bench.cost.stopping import Limits, Stop, look
from bench.cost.timing import Ahead, Reading, read
from bench.spec import JSON, Workload

WARM_CALLS, WARM_S, MOST_WARM_S = 20, 2.0, 30.0
TURN_READINGS, TURN_S, LEAST_ROUNDS = 20, 0.3, 5
"""Of a queued device: readings and seconds per turn, at least; rounds before the stop rule may end them."""
DEVICE_SHARE, LEAST_ALONE = 8, 5
"""One reading of the device alone for so many end to end, and so many per turn at least: they vary less, and each costs
a wait for the queue to be filled."""
CPU_ROUND_S = 1.0
LEAST_READINGS, FEWEST_READINGS, OVERRUN = 10, 3, 1.5
"""A cap in seconds ends no workload below the first number; below the second not even when it is overrun so far."""

HARD_BITS = 0x8 | 0x20 | 0x40 | 0x80
"""NVML's reasons for a lower clock that are faults: hardware slowdown, thermal in software or hardware, power brake."""
POWER_CAP_BIT = 0x4
PAUSE_S, PAUSE_GROWTH, MOST_PAUSE_S, REPEATS = 0.05, 2.5, 2.0, 3

See = Callable[[], dict[str, JSON]]


@dataclass
class Track:
    """One workload on its way: its readings in ms in the order they were taken, and what was seen beside them."""

    index: int
    workload: Workload
    runner: Runner
    ahead: Ahead | None = None
    readings: list[Reading] = field(default_factory=list)
    device_ms: list[float] = field(default_factory=list)
    warmup_ms: list[float] = field(default_factory=list)
    aside_ms: list[float] = field(default_factory=list)
    """End to end, of rounds that were repeated because the device throttled."""
    notes: list[dict[str, JSON]] = field(default_factory=list)
    elapsed_s: float = 0.0
    around_s: float = 0.0
    """Wall time of the loops that took the readings: what they have to add up to."""
    preemptions: int = 0
    stop: Stop = field(default_factory=lambda: Stop(False, 0, False, "few samples"))
    failed: str | None = None
    """Why it broke off in the middle; then its readings are worth nothing."""

    def e2e_ms(self) -> list[float]:
        """All end-to-end readings, warm-up of the series included."""
        return [reading.e2e_ms for reading in self.readings]


@dataclass
class _Turn:
    readings: list[Reading]
    device_ms: list[float]
    around_s: float
    preemptions: int


@dataclass
class Rounds:
    """Takes rounds of `tracks` until each is done.  `see` looks at the device between them, never inside."""

    device: Device
    limits: Limits
    rng: random.Random
    see: See
    tell: Callable[[str, float], None]
    patient: bool = True
    """Until a round stays throttled however often it is repeated: then waiting helps no more."""
    _told_s: float = -math.inf

    def run(self, tracks: Sequence[Track]) -> None:
        """Warm every workload up, then measure them in turns."""
        for track in tracks:
            if self.device.queued:
                self._say(f"{name_of(track.workload)}: warm-up", tracks)
                self._unbroken(track, self._warm_up)
        orders = alternating(tracks, self.rng)
        for number in itertools.count():
            left = {track.index for track in tracks if not track.stop.done and track.failed is None}
            if not left:
                return
            if self.device.queued:
                self._queued_round(number, [t for t in next(orders) if t.index in left], tracks)
            else:
                self._cpu_round(number, left, orders, tracks)
            for track in tracks:
                if track.index in left and track.failed is None:
                    self._look(track, number)

    def _say(self, what: str, tracks: Sequence[Track]) -> None:
        """Tell of the progress, five times a second at most."""
        if (now := self.device.now_s()) - self._told_s >= 0.2:
            self._told_s = now
            self.tell(what, progress(tracks, self.limits))

    def _unbroken(self, track: Track, step: Callable[[Track], Any]) -> Any:
        """`step(track)`, or None where it fails: then this workload is given up and the others go on."""
        try:
            return step(track)
        except torch.OutOfMemoryError:
            track.failed = f"out of memory at batch {track.workload.batch}"
        except RuntimeError as error:
            track.failed = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        return None

    def _look(self, track: Track, number: int) -> None:
        stop = look(track.e2e_ms(), self.limits, elapsed_s=track.elapsed_s)
        early = stop.converged and self.device.queued and number + 1 < LEAST_ROUNDS
        capped = stop.done and not stop.converged
        few = len(track.readings) < LEAST_READINGS and track.elapsed_s < OVERRUN * self.limits.cap_s
        if early or (capped and (few or len(track.readings) < FEWEST_READINGS)):
            stop = Stop(False, stop.warm_cut, stop.converged, stop.reason)
        track.stop = stop

    # ------------------------------------------------------------------ a queued device

    def _warm_up(self, track: Track) -> None:
        """At least 20 calls and 2 s; then find out how far ahead the queue can be kept."""
        with self.device.precision(track.workload.precision):
            start, runner = self.device.now_s(), track.runner
            while (spent := self.device.now_s() - start) < WARM_S or len(track.warmup_ms) < WARM_CALLS:
                if spent > MOST_WARM_S:
                    break
                runner.load(len(track.warmup_ms))
                track.warmup_ms.append(read(self.device, runner.call).e2e_ms)
            if track.ahead is not None:
                track.ahead.read(self.device, runner.load, runner.call, first=0, count=track.ahead.block)
                track.ahead.behind = 0
            track.elapsed_s += self.device.now_s() - start

    def _queued_round(self, number: int, order: list[Track], tracks: Sequence[Track]) -> None:
        for attempt in itertools.count():
            turns = []
            for track in order:
                self._say(name_of(track.workload), tracks)
                turns.append(self._unbroken(track, self._turn))
            seen = self.see()
            throttled = bool((seen.get("throttle_bits") or 0) & HARD_BITS)
            again = throttled and self.patient and attempt < REPEATS
            self.patient = self.patient and not (throttled and attempt == REPEATS)
            for place, (track, turn) in enumerate(zip(order, turns, strict=True)):
                if turn is None:
                    continue
                note = {"round": number, "place": place, "n": len(turn.readings), **seen}
                _keep(track, turn, note, throttled=throttled, aside=again)
            if not again:
                return
            self.device.wait(min(PAUSE_S * PAUSE_GROWTH**attempt, MOST_PAUSE_S))

    def _turn(self, track: Track) -> _Turn:
        device, runner, number = self.device, track.runner, len(track.readings) + len(track.aside_ms)
        with device.precision(track.workload.precision):
            readings: list[Reading] = []
            before, start = device.preemptions(), device.now_s()
            while len(readings) < TURN_READINGS or device.now_s() - start < TURN_S:
                runner.load(number + len(readings))
                readings.append(read(device, runner.call))
            around_s = device.now_s() - start
            alone: list[float] = []
            if track.ahead is not None:
                count = max(LEAST_ALONE, math.ceil(len(readings) / DEVICE_SHARE))
                alone = track.ahead.read(device, runner.load, runner.call, first=number, count=count)
            track.elapsed_s += device.now_s() - start
            return _Turn(readings, alone, around_s, device.preemptions() - before)

    # ------------------------------------------------------------------ the host itself

    def _cpu_round(self, number: int, left: set[int], orders: Iterator[list[Track]], tracks: Sequence[Track]) -> None:
        """Sample by sample, there and back: what disturbs the host disturbs all of them alike."""
        turns: dict[int, _Turn] = {}
        start = self.device.now_s()
        while not turns or self.device.now_s() - start < CPU_ROUND_S:
            for track in (t for order in itertools.islice(orders, 2) for t in order if t.index in left):
                self._say(name_of(track.workload), tracks)
                turn = turns.setdefault(track.index, _Turn([], [], 0.0, 0))
                if track.failed is None:
                    self._unbroken(track, functools.partial(self._sample, turn=turn))
        seen = self.see()
        for track in (t for t in tracks if t.index in turns):
            turn = turns[track.index]
            _keep(track, turn, {"round": number, "n": len(turn.readings), **seen}, throttled=False, aside=False)

    def _sample(self, track: Track, turn: _Turn) -> None:
        device, runner = self.device, track.runner
        with device.precision(track.workload.precision):
            runner.load(len(track.readings) + len(turn.readings))
            before, start = device.preemptions(), device.now_s()
            turn.readings.append(read(device, runner.call))
            took = device.now_s() - start
            turn.around_s += took
            track.elapsed_s += took
            turn.preemptions += device.preemptions() - before


def _keep(track: Track, turn: _Turn, note: dict[str, JSON], *, throttled: bool, aside: bool) -> None:
    """Add a turn to the readings, or set it aside; either way it is noted."""
    track.notes.append({**note, "throttled": throttled, "aside": aside})
    if aside:
        track.aside_ms += [reading.e2e_ms for reading in turn.readings]
        return
    track.readings += turn.readings
    track.device_ms += turn.device_ms
    track.around_s += turn.around_s
    track.preemptions += turn.preemptions


def alternating(tracks: Sequence[Track], rng: random.Random) -> Iterator[list[Track]]:
    """Random orders, each followed by its reverse: a steady drift falls on all alike."""
    while True:
        order = list(tracks)
        rng.shuffle(order)
        yield order
        yield order[::-1]


def progress(tracks: Sequence[Track], limits: Limits) -> float:
    """Share of the time that the caps allow, done workloads counting in full."""
    shares = [1.0 if t.stop.done else min(1.0, t.elapsed_s / limits.cap_s) for t in tracks]
    return sum(shares) / len(shares) if shares else 1.0


def name_of(workload: Workload) -> str:
    """`pidnet_s 512x512 b1 fp32 nchw graph`."""
    height, width = workload.size
    rest: Any = (f"b{workload.batch}", workload.precision, workload.layout, workload.mode)
    return " ".join((workload.model.name, f"{height}x{width}", *rest))
