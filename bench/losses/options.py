"""Numbers that a user wrote as options of a loss -> nothing, or an error that names the option."""

from __future__ import annotations

import math

from bench.spec import BenchError


def check_weight(name: str, value: float) -> None:
    """Raises BenchError unless `value`, the option `name` of a loss, is a finite number that is not negative."""
    if not (math.isfinite(value) and value >= 0):
        raise BenchError(f"{name} is {value}", remedy="give a number that is not negative", key=f"loss.{name}")


def check_fraction(name: str, value: float) -> None:
    """Raises BenchError unless 0 <= `value` < 1."""
    if not 0 <= value < 1:
        raise BenchError(f"{name} is {value}", remedy="give a number from 0 to below 1", key=f"loss.{name}")
