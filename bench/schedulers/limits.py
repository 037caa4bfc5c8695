"""Options of schedules -> the same, or the line that says what they may be."""

from __future__ import annotations

import math

from bench.spec import BenchError

TINY = 1e-9
"""Shares such as 3 / 10 and 3 * 0.1 are one moment of a run, though not one number."""


def between(key: str, value: float, low: float, high: float) -> float:
    """`value`, which must lie in [`low`, `high`]."""
    if not low <= value <= high:
        raise BenchError(f"{key} is {value}", remedy=f"choose {low:g} to {high:g}", key=f"scheduler.{key}")
    return value


def inside(key: str, value: float, low: float, high: float) -> float:
    """`value`, which must lie between `low` and `high` and be neither."""
    if not low < value < high:
        remedy = f"choose more than {low:g} and less than {high:g}" if high < math.inf else f"choose more than {low:g}"
        raise BenchError(f"{key} is {value}", remedy=remedy, key=f"scheduler.{key}")
    return value
