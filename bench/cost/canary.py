"""A device -> proof that its timer tells the truth, before any figure is taken: known work through the same timer."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from bench.cost import peaks, rules
from bench.cost.clock import Device
from bench.cost.timing import Ahead, cycles_per_s, read
from bench.spec import JSON, BenchError, ExitCode

SPIN_S = 0.005
MATRIX, CPU_MATRIX = 8192, 1024
TRIES = 3
"""A preempted host or a clock that steps up spoils one try, a wrong timer all of them."""


def check_timer(device: Device, facts: Mapping[str, JSON]) -> dict[str, JSON]:
    """Every canary with its reading; raises BenchError (ENVIRONMENT) with the first that fails.

    A kernel of known length must read as long, nothing as nothing, a large matrix product as a believable share of the
    card's peak (`checked` is False where no peak is known), and float32 must be float32.
    """
    with device.precision("fp32"):
        found: dict[str, JSON] = {"nothing": _nothing(device)}
        found["sleep"] = _spin(device) if device.queued else _wait(device)
        found["float32"] = {"exact": device.keeps_float32()}
        if found["float32"]["exact"] is False:
            lost = rules.Finding("invalid", "", "float32 products lose bits although TF32 is switched off")
            _refuse(lost, "unset NVIDIA_TF32_OVERRIDE")
        found["product"] = _product(device, facts)
    return found


def _nothing(device: Device) -> dict[str, JSON]:
    """The timer around nothing reads (almost) nothing."""
    e2e = min(statistics.median(read(device, _do_nothing).e2e_ms for _ in range(20)) for _ in range(TRIES))
    _refuse(rules.canaries(slept_share=None, no_op_ms=e2e, product_share=None), "end profilers and tracers")
    return {"e2e_ms": e2e}


def _do_nothing() -> None:
    return


def _spin(device: Device) -> dict[str, JSON]:
    """A spin of 5 ms, its length known from the device's own clock, read by the host and by marks in the queue."""
    found: dict[str, JSON] = {}
    wrong: rules.Finding | None = None
    for _ in range(TRIES):
        rate = cycles_per_s(device)

        def spin(cycles: int = round(rate * SPIN_S)) -> None:
            device.spin(cycles)

        e2e = statistics.median(read(device, spin).e2e_ms for _ in range(5))
        alone = statistics.median(Ahead(rate).read(device, lambda number: None, spin, first=0, count=5))
        found = {"wanted_ms": 1e3 * SPIN_S, "e2e_ms": e2e, "device_ms": alone, "cycles_per_s": rate}
        shares = (ms / (1e3 * SPIN_S) for ms in (e2e, alone))
        wrongs = (rules.canaries(slept_share=share, no_op_ms=0.0, product_share=None) for share in shares)
        wrong = next((finding for finding in wrongs if finding), None)
        if wrong is None:
            break
    _refuse(wrong, "free the device and look at its driver")
    return found


def _wait(device: Device) -> dict[str, JSON]:
    """A pause reads at least as long as it was asked to be; on a busy host it may be longer."""
    e2e = min(read(device, lambda: device.wait(SPIN_S)).e2e_ms for _ in range(TRIES))
    share = min(1.0, e2e / (1e3 * SPIN_S))
    _refuse(rules.canaries(slept_share=share, no_op_ms=0.0, product_share=None), "this host's clock cannot be used")
    return {"wanted_ms": 1e3 * SPIN_S, "e2e_ms": e2e}


def _product(device: Device, facts: Mapping[str, JSON]) -> dict[str, JSON]:
    """A float32 matrix product against the card's float32 peak: its share is the device's health."""
    n = _matrix(device)
    call = device.product(n)
    for _ in range(TRIES):
        read(device, call)
    ms = statistics.median(read(device, call).e2e_ms for _ in range(5))
    per_s = 2 * n**3 / (1e-3 * ms) if ms > 0 else float("inf")
    found: dict[str, JSON] = {"n": n, "ms": ms, "tflops": per_s / 1e12, "share_of_peak": None, "checked": False}
    gpu: Any = facts.get("gpu") or {}
    peak = peaks.peak(gpu.get("name"), gpu) if device.queued else None
    if peak is not None:
        share = per_s / peak.fp32
        found["share_of_peak"], found["checked"] = share, True
        _refuse(rules.canaries(slept_share=None, no_op_ms=0.0, product_share=share), "free the card, let it cool")
    return found


def _matrix(device: Device) -> int:
    """The side of the product: three matrices take at most half of the free memory."""
    if not device.queued:
        return CPU_MATRIX
    n, free = MATRIX, device.free_bytes()
    while free is not None and n > 1024 and 3 * 4 * n * n > free / 2:
        n //= 2
    return n


def _refuse(wrong: rules.Finding | None, remedy: str) -> None:
    if wrong is not None:
        raise BenchError(f"nothing is timed: {wrong.text}", remedy=remedy, code=ExitCode.ENVIRONMENT)
