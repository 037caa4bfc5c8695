"""What was taken of a workload -> its Timing: statistics, flags of its surroundings, and the judgement of the rules."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from bench.cost.clock import Device
from bench.cost.evidence import contradictions, recomputed, stored
from bench.cost.plausibility import WORST, judge
from bench.cost.rounds import POWER_CAP_BIT, Track
from bench.spec import JSON, Series, Timing, Workload
from bench.spec.timing import Verdict

Samples = dict[str, "np.ndarray[Any, np.dtype[np.float32]]"]
Count = Callable[[Workload], int | None]

MIN_CPU_SHARE = 0.95
"""CPU time per wall time and thread below which other programs had the processor."""
MIN_CLOCK_SHARE, MAX_CLOCK_DRIFT = 0.75, 0.03
MAX_BEHIND = 0.05
"""Share of device readings with launch gaps in them that needs no flag."""
LEAST_COVER, UNSEEN_MS, MOST_COVER = 0.6, 0.1, 1.02
"""Readings have to add up to the time they were taken in: at least the first share, or less than the second is missing
per reading; and to no more than the third."""


def series_of(track: Track, *, queued: bool) -> dict[str, list[float]]:
    """All readings per time, in ms."""
    e2e = track.e2e_ms()
    if not queued:
        return {"e2e": e2e, "cpu": [reading.cpu_ms for reading in track.readings]}
    found = {"e2e": e2e}
    if track.runner.whole_queue:
        found["enqueue"] = [reading.enqueue_ms for reading in track.readings]
    if track.device_ms:
        found["device"] = track.device_ms
    return found


def samples_of(track: Track, *, queued: bool) -> Samples:
    """Raw readings under their keys; `warmup` and `aside` are end-to-end readings that no statistic holds."""
    found = {**series_of(track, queued=queued), "warmup": track.warmup_ms, "aside": track.aside_ms}
    return {f"{track.index}.{name}": stored(values) for name, values in found.items() if values}


def describe_track(track: Track, *, queued: bool) -> dict[str, Series]:
    """Statistics of what is kept of each time, from the readings as they are stored: a record can be recomputed."""
    return recomputed(samples_of(track, queued=queued), track.index, track.stop.warm_cut)


def surroundings(track: Track, device: Device, facts: Mapping[str, JSON], *, threads: int) -> list[str]:
    """Flags of what happened beside the readings."""
    notes = [note for note in track.notes if not note["aside"]]
    flags = []
    if any(note["throttled"] for note in notes):
        flags.append("throttled")
    if repeated := len(track.notes) - len(notes):
        flags.append(f"{repeated} throttled round{'s' * (repeated > 1)} repeated")
    if any((note.get("throttle_bits") or 0) & POWER_CAP_BIT for note in notes):
        flags.append("power-capped")
    flags += _clocks([note["sm_clock_mhz"] for note in notes if note.get("sm_clock_mhz")], facts)
    if any((note.get("processes") or 0) > 1 for note in notes):
        flags.append("other processes on the device")
    if track.runner.in_cache:
        flags.append("inputs fit into the cache")
    if track.ahead is not None and track.ahead.behind > MAX_BEHIND * max(1, len(track.device_ms)):
        flags.append("device time holds launch gaps")
    if not device.queued:
        flags += _contended(track, threads)
    return flags


def _clocks(clocks: Sequence[float], facts: Mapping[str, JSON]) -> list[str]:
    if not clocks:
        return []
    mean, flags = statistics.fmean(clocks), []
    highest = (facts.get("gpu") or {}).get("max_sm_clock_mhz")
    if highest and mean < MIN_CLOCK_SHARE * highest:
        flags.append(f"clock at {100 * mean / highest:.0f} % of its maximum")
    if max(clocks) - min(clocks) > MAX_CLOCK_DRIFT * mean:
        flags.append(f"clock drift {100 * (max(clocks) - min(clocks)) / mean:.0f} %")
    return flags


def _contended(track: Track, threads: int) -> list[str]:
    share = cpu_share(track)
    if share is None or share >= MIN_CPU_SHARE * threads:
        return []
    return [f"contended (CPU time / wall {share:.2f} over {threads} thread{'s' * (threads > 1)})"]


def cpu_share(track: Track) -> float | None:
    """Median CPU time per wall time of a reading; None where no time passed."""
    shares = [reading.cpu_ms / reading.e2e_ms for reading in track.readings if reading.e2e_ms > 0]
    return statistics.median(shares) if shares else None


def covers(track: Track) -> tuple[str, str | None]:
    """(flag, refusal) where the readings do not add up to the time in which they were taken, else ("", None)."""
    read_s, around_s = sum(track.e2e_ms()) / 1e3, track.around_s
    if read_s > MOST_COVER * around_s:
        text = f"invalid: the readings add up to {read_s:.2f} s but were taken in {around_s:.2f} s; the timer is wrong"
        return "readings longer than their time", text
    unseen_ms = 1e3 * (around_s - read_s) / max(1, len(track.readings))
    if read_s < LEAST_COVER * around_s and unseen_ms > UNSEEN_MS:
        return f"readings cover {100 * read_s / around_s:.0f} % of their time", None
    return "", None


def memory_of(track: Track) -> dict[str, int | None]:
    """Bytes: weights, images and the most that one call holds beside them; and what each image of the batch adds."""
    runner = track.runner
    if runner.peak_bytes is None:
        return {"inference": None, "per_image": None}
    return {
        "inference": runner.weight_bytes + runner.peak_bytes,
        "per_image": runner.peak_bytes // track.workload.batch,
    }


def timing_of(
    track: Track,
    taken: Sequence[Track],
    series: Mapping[int, Mapping[str, Series]],
    device: Device,
    facts: Mapping[str, JSON],
    *,
    threads: int,
    macs: Count,
    winograd_macs: Count,
) -> Timing:
    """The Timing of `track`, judged beside the others that were `taken` in this session; `series` is by their index."""
    gpu: Any = facts.get("gpu") or {}
    judged = judge(
        series[track.index],
        workload=track.workload,
        macs=macs(track.workload),
        winograd_macs=winograd_macs(track.workload),
        weight_bytes=track.runner.weight_bytes,
        io_bytes=track.runner.io_bytes,
        gpu_name=gpu.get("name") if device.queued else None,
        gpu_facts=gpu,
        siblings=[(t.workload, series[t.index], macs(t.workload)) for t in taken if t is not track],
    )
    flags = (*judged.flags, *surroundings(track, device, facts, threads=threads))
    timing = Timing(
        workload=track.workload,
        macs=macs(track.workload),
        params=track.runner.params,
        weight_bytes=track.runner.weight_bytes,
        times=dict(series[track.index]),
        first_call_ms=track.runner.first_call_ms,
        warm_cut=track.stop.warm_cut,
        converged=track.stop.converged,
        not_converged=track.stop.reason,
        rounds=tuple(track.notes),
        memory_bytes=memory_of(track),
        flags=tuple(dict.fromkeys(flags)),
        verdict=judged.verdict,
        refused=judged.refused,
    )
    return _doubted(timing, track, queued=device.queued)


def _doubted(timing: Timing, track: Track, *, queued: bool) -> Timing:
    """`timing` after a look at its own readings: do they add up, and does what it says follow from them?"""
    verdict: Verdict = "ok"
    flag, refused = covers(track)
    if wrong := contradictions(timing, samples_of(track, queued=queued), track.index):
        flag, refused = "not what was read", f"invalid: {wrong[0]}"
    if flag:
        verdict = "invalid" if refused else "suspect"
    return timing.model_copy(
        update={
            "flags": (*timing.flags, *([flag] if flag else [])),
            "verdict": min(timing.verdict, verdict, key=WORST.index),
            "refused": timing.refused or refused,
        }
    )
