"""A timing -> the reason it cannot be true, or None.  Each rule is a function of numbers alone; no torch."""

from __future__ import annotations

TOLERANCE = 1.15
"""A card may run this much above its published peak: boost clocks beyond the nominal one."""

MAX_CV = 0.5
"""std / mean from which a mean says nothing: first call, queue or a smaller last batch among the readings."""


def impossible(macs: int, seconds: float, peak_flops: float) -> str | None:
    """The work implied by `seconds` is more than the card can do in any float format."""
    if seconds <= 0:
        return "no time passed"
    implied = 2 * macs / seconds
    if implied <= TOLERANCE * peak_flops:
        return None
    return (
        f"impossible: {1e3 * seconds:.3f} ms for {macs / 1e9:.1f} GMAC is {implied / 1e12:.1f} TFLOP/s, "
        f"{100 * implied / peak_flops:.0f} % of the card's peak; the timer did not wait for the device"
    )


def scattered(mean: float, std: float | None) -> str | None:
    """The readings vary by more than half their mean."""
    if std is None or std <= MAX_CV * mean:
        return None
    return (
        f"invalid: the readings scatter by {100 * std / mean:.0f} % of their mean (at most {100 * MAX_CV:.0f} %); "
        "free the machine and measure again"
    )
